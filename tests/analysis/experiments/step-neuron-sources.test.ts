/** E7 by decoding step against loops over single neurons, and on models whose neurons have known causes. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { writers } from '../../../analysis/components.ts';
import { stepNeuronSources } from '../../../analysis/experiments/step-neuron-sources.ts';
import { modes } from '../../../analysis/graphs/sources.ts';
import { sumOf, type Source } from '../../../analysis/source-groups.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { neuronsByHand } from '../../support/neurons-by-hand.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';
import { readAtStep } from '../../support/whole-path.ts';

const scratch = tempFolder();

describe('sources of neurons by step, on a random model', async () => {
  const rng = createRng(21);
  const paths = randomPaths(rng, 10, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const subject = await pathSubjectOf(
    lab,
    paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` })),
  );
  const { steps } = await stepNeuronSources.run(subject);
  const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
  const read = [
    ...writers(lab.layers).map(({ at }) => at),
    ...layers.flatMap((l): ActivationName[] => [
      `decoder.${l}.resid_mid_cross`,
      `decoder.${l}.mlp_pre`,
      `decoder.${l}.cross_attn_result`,
    ]),
  ];

  it('finds the shares that a loop over active neurons finds', async () => {
    assert.deepEqual(
      steps.map(({ step }) => step),
      [1, 2, 3],
    );
    for (const { step, queries, mlps } of steps) {
      const { asked, reading } = await readAtStep(lab, subject.population.questions, step, read);
      assert.equal(queries, asked.length);
      for (const layer of layers) {
        const hand = neuronsByHand(lab, reading, asked.length, layer);
        for (const mode of modes) {
          assertClose(mlps[layer][mode], hand.shares[mode], `step ${step}, ${mode}, layer ${layer}`);
          assert.deepEqual(mlps[layer].heads[mode], hand.topShares(hand.headsOnTop[mode]));
        }
        assertClose(mlps[layer].signed, hand.signed, `step ${step}, signed, layer ${layer}`, 1e-3);
        assertClose([mlps[layer].active], [hand.active], `step ${step}, active, layer ${layer}`);
      }
    }
  });
});

for (const prefix of ['attn', 'own'] as const)
  for (const query of ['attn', 'cross'] as const)
    describe(`sources of neurons by step: previous tokens by ${prefix}, query by ${query}`, async () => {
      const planted = writePlantedPathModel(join(scratch, `${prefix}-${query}`), { prefix, query, translates: true });
      const subject = await pathSubjectOf(openPathLab(planted.dir), planted.queries);
      const result = await stepNeuronSources.run(subject);

      it('are what was planted', () => {
        assert.equal(subject.population.correct.vocabulary, planted.queries.length);
        // One neuron each for what the query names first, for u (known from the first token on), and for v.
        const [ofU, ofV] = [prefix === 'own' ? 'embedding' : 'attn', query === 'cross' ? 'cross_attn' : 'attn'];
        assert.equal(result.steps.length, 3);
        for (const { step, mlps, sources } of result.steps) {
          const causes = ['cross_attn', ofV, ...(step > 1 ? [ofU] : [])];
          assert.deepEqual(
            mlps.map(({ active }) => active),
            [0, 0, causes.length],
          );
          for (const type of ['embedding', 'attn', 'cross_attn', 'mlp'] as const)
            for (const mode of [...modes, 'signed'] as const) {
              const share = sumOf(sources, mlps[2][mode], (source: Source) => source.type === type);
              const expected = causes.filter((cause) => cause === type).length / causes.length;
              if (mode !== 'signed') assertClose([share], [expected], `step ${step}, ${type}, ${mode}`, 1e-3);
              else if (!expected) assertClose([share], [0], `step ${step}, ${type}, signed`, 1e-3);
            }
        }
      });

      it('are told in the report', () => {
        const { findings, figures } = stepNeuronSources.section(result);
        if (prefix === 'own' && query === 'cross')
          assert.match(findings[1], /^Step 2: .*last MLP \(layer 2\) comes from the token read last 33.3.%, self-attention 0/); // prettier-ignore
        const [figure] = figures;
        assert.ok(figure.kind === 'stacked');
        assert.deepEqual(figure.xs, ['1: 0', '1: 1', '1: 2', '2: 0', '2: 1', '2: 2', '3: 0', '3: 1', '3: 2']);
        assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      });
    });

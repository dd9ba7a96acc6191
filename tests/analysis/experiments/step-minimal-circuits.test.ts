/** E4 by decoding step on models whose circuits are known, and against replacements that are written out. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Layers } from '../../../analysis/circuit.ts';
import { componentTypes, outputOf } from '../../../analysis/components.ts';
import { stepMinimalCircuits } from '../../../analysis/experiments/step-minimal-circuits.ts';
import { stepSweeps } from '../../../analysis/experiments/step-sweeps.ts';
import { forcedOutcomes } from '../../../analysis/path-population.ts';
import { stepCircuitPatches } from '../../../analysis/step-circuits.ts';
import type { JudgedQuery } from '../../../corpus/documents.ts';
import { createRng } from '../../../corpus/random.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';

const scratch = tempFolder();

for (const prefix of ['attn', 'own'] as const)
  for (const query of ['attn', 'cross'] as const)
    describe(`minimal circuits by step: previous tokens by ${prefix}, query by ${query}`, async () => {
      const planted = writePlantedPathModel(join(scratch, `${prefix}-${query}`), { prefix, query, translates: true });
      const test = planted.queries.map(({ text, docid }, i): JudgedQuery => ({ id: `q${i}`, text, relevant: [docid] }));
      const subject = { ...(await pathSubjectOf(openPathLab(planted.dir), planted.queries)), test };
      const stages = (await stepSweeps.run(subject)).steps.map(({ step, stages: of }) => ({ step, ...of }));
      const result = await stepMinimalCircuits.run({ ...subject, stages });

      it('are what was planted', () => {
        assert.equal(result.steps.length, 3);
        for (const { step, found } of result.steps) {
          const { layers, lost } = found.circuits.found!;
          const readsByAttention = step > 1 && (prefix === 'attn' || query === 'attn');
          const readsQuery = step === 1 || query === 'cross';
          const kept = layers.flatMap((one, layer) =>
            componentTypes.filter((type) => one[type] === 'keep').map((type) => `${type} ${layer}`),
          );
          const expected = [...(readsQuery ? ['cross_attn 0'] : []), ...(readsByAttention ? ['attn 1'] : []), 'mlp 2'];
          assert.deepEqual(kept, expected, `step ${step}`);
          assert.equal(lost.mean, 0);
        }
      });

      it('answer together what the whole decoder answers', () => {
        const { queries, circuits } = result.test!;
        assert.equal(queries, planted.queries.length);
        assert.deepEqual(circuits.full, { success: { vocabulary: 1, docids: 1 }, loss: { mean: 0, low: 0, high: 0 } });
        // Nothing that a later step reads is a component's output that an earlier step's circuit leaves out.
        assert.deepEqual(circuits.found!.success.docids, 1);
        // The published circuit has no self-attention in layers of a stage; layer 1 is of none.
        assert.equal(circuits.published!.success.docids, 1);
        assert.equal(result.steps[0].found.circuits.published!.kept, 6);
      });

      it('are told in the report', () => {
        const { findings, figures } = stepMinimalCircuits.section(result);
        assert.match(findings.join('\n'), /Step 1: the circuit found keeps 2 of 9 components \(`cross_attn` in layer 0, `mlp` in layer 2\); 0.0.% of 12/); // prettier-ignore
        assert.equal(figures.length, 1);
        assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      });
    });

describe('circuits of all steps', async () => {
  const rng = createRng(26);
  const paths = randomPaths(rng, 8, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const asked = paths.map((_, document) => ({ text: randomQuery(rng), document }));
  const { d_model: D } = lab.config;
  const [L, T] = [lab.layers, 3];
  const mean = (name: string): Float32Array => Float32Array.from({ length: D }, (_, d) => Math.sin(name.length + d));

  it('replace what each step’s circuit does not keep, at its own position alone', async () => {
    const whole: Layers = Array.from({ length: L }, () => ({ attn: 'keep', cross_attn: 'keep', mlp: 'keep' }));
    const second: Layers = [{ attn: 'zero', cross_attn: 'keep', mlp: 'mean' }, ...whole.slice(1)];
    const third: Layers = [{ attn: 'keep', cross_attn: 'zero', mlp: 'zero' }, ...whole.slice(1)];
    const patches = stepCircuitPatches(
      [
        { position: 1, layers: second, mean },
        { position: 2, layers: third, mean },
      ],
      { L, T, D },
    );
    const patched = await forcedOutcomes(lab, asked, patches);
    const clean = await forcedOutcomes(lab, asked);
    // One patch after the other: the second step sees its own, the third both.
    const ofSecond = [
      { at: outputOf('attn', 0), by: 'zero' as const, positions: [1] },
      { at: outputOf('mlp', 0), by: mean(outputOf('mlp', 0)), positions: [1] },
    ];
    const afterSecond = await forcedOutcomes(lab, asked, ofSecond);
    const logs = (outcomes: typeof clean, position: number): number[] =>
      outcomes.filter(({ length }) => length > position).map((tokens) => tokens[position].logProbability);
    assertClose(logs(patched, 0), logs(clean, 0), 'step 1');
    assertClose(logs(patched, 1), logs(afterSecond, 1), 'step 2');
    assert.ok(logs(patched, 2).some((x, i) => Math.abs(x - logs(afterSecond, 2)[i]) > 1e-3));
    const onlyThird = await forcedOutcomes(lab, asked, [
      { at: outputOf('cross_attn', 0), by: 'zero', positions: [2] },
      { at: outputOf('mlp', 0), by: 'zero', positions: [2] },
    ]);
    const alone = stepCircuitPatches([{ position: 2, layers: third, mean }], { L, T, D });
    assertClose(logs(await forcedOutcomes(lab, asked, alone), 2), logs(onlyThird, 2), 'step 3');
  });
});

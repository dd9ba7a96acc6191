/** E11: planted models in which previous tokens, the query, both or neither come through self-attention. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  selfAttentionPatching,
  type DonorKind,
  type SelfAttentionPatching,
} from '../../../analysis/experiments/self-attention-patching.ts';
import { patchSites, type PatchSite } from '../../../analysis/step-patching.ts';
import { createRng } from '../../../corpus/random.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel, type PathMechanism } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';

const scratch = tempFolder();

/** Share of the tokens lost when all layers and heads are replaced. */
const lost = ({ steps }: SelfAttentionPatching, step: number, site: PatchSite, donor: DonorKind): number =>
  steps
    .find((one) => one.step === step)!
    .effects.find((one) => one.site === site && one.donor === donor && one.layer === null && one.head === null)!.lost
    .mean;

for (const prefix of ['attn', 'own'] as const)
  for (const query of ['attn', 'cross'] as const) {
    const mechanism: PathMechanism = { prefix, query };
    describe(`previous tokens by ${prefix}, query by ${query}`, async () => {
      const planted = writePlantedPathModel(join(scratch, `${prefix}-${query}`), mechanism);
      const lab = openPathLab(planted.dir);
      const subject = await pathSubjectOf(lab, planted.queries);
      const result = await selfAttentionPatching.run(subject);
      const through = { prefix: prefix === 'attn', query: query === 'attn' };

      it('answers all queries', () => {
        const all = planted.queries.length;
        assert.deepEqual(subject.population.correct, { vocabulary: all, docids: all });
        assert.deepEqual(
          result.steps.map(({ step, queries }) => [step, queries]),
          [
            [2, all],
            [3, all],
          ],
        );
      });

      it('loses every token by what self-attention carries, and none by what it does not', () => {
        for (const step of [2, 3])
          for (const site of patchSites) {
            // Before the second step stands the start token alone: no previous token to read there.
            const prefixHere = through.prefix && (step > 2 || site === 'output');
            assert.equal(lost(result, step, site, 'prefix'), Number(prefixHere), `prefix, ${step}, ${site}`);
            assert.equal(lost(result, step, site, 'query'), Number(through.query), `query, ${step}, ${site}`);
            assert.equal(
              lost(result, step, site, 'both'),
              Number(prefixHere || through.query),
              `both, ${step}, ${site}`,
            );
            assert.equal(lost(result, step, site, 'none'), 0, `none, ${step}, ${site}`);
          }
        assert.ok(result.noise < 1e-4, `noise ${result.noise}`);
        const docids = Object.fromEntries(
          result.docids.filter(({ site }) => site === 'earlier').map(({ donor, lost }) => [donor, lost.mean]),
        );
        assert.deepEqual(docids, {
          prefix: Number(through.prefix),
          query: Number(through.query),
          both: Number(through.prefix || through.query),
          none: 0,
        });
      });

      it('has the effects in the layer and the heads where they were planted', () => {
        for (const { step, effects } of result.steps)
          for (const { site, donor, layer, head, lost } of effects) {
            if (layer === null || donor === 'both' || donor === 'none') continue;
            const here = donor === 'query' ? through.query : through.prefix && (step > 2 || site === 'output');
            const isPlace = layer === 1 && (head === null || head === (donor === 'query' ? 0 : 1));
            assert.equal(lost.mean, Number(here && isPlace), `${step} ${site} ${donor} ${layer} ${head}`);
          }
      });

      it('says so', () => {
        const { findings } = selfAttentionPatching.section(result);
        const carried = {
          'true true': 'carries both previous tokens and the query:',
          'true false': 'carries previous tokens, not the query:',
          'false true': 'carries the query, not previous tokens:',
          'false false': 'carries neither previous tokens nor the query that would be missed:',
        }[`${through.prefix} ${through.query}`];
        for (const finding of findings.slice(0, 2)) assert.ok(finding.includes(carried), finding);
      });
    });
  }

describe('self-attention patching of a random model', async () => {
  const rng = createRng(5);
  const paths = randomPaths(rng, 14);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths, config: { num_decoder_layers: 3 } }));
  const queries = paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
  const result = await selfAttentionPatching.run(await pathSubjectOf(lab, queries, 'docids'));
  const falls = (step: number, site: PatchSite, donor: DonorKind, layer: number | null, head: number | null = null) =>
    result.steps
      .find((one) => one.step === step)!
      .effects.find((one) => one.site === site && one.donor === donor && one.layer === layer && one.head === head)!
      .fall;

  it('changes nothing where nothing differs: start token and other paths, first layer and other queries', () => {
    for (const layer of [null, 0, 1, 2]) assert.equal(falls(2, 'earlier', 'prefix', layer).mean, 0);
    for (const { step } of result.steps) {
      assert.ok(Math.abs(falls(step, 'earlier', 'query', 0).mean) < 1e-6);
      assert.ok(Math.abs(falls(step, 'output', 'query', 0).mean) < 1e-6);
    }
    assert.ok(result.noise < 1e-4, `noise ${result.noise}`);
  });

  it('changes something elsewhere', () => {
    assert.ok(Math.abs(falls(2, 'earlier', 'query', null).mean) > 1e-3);
    assert.ok(Math.abs(falls(3, 'earlier', 'prefix', null).mean) > 1e-3);
    assert.ok(Math.abs(falls(2, 'output', 'prefix', null).mean) > 1e-3);
  });

  it('is plain JSON with a section', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
    assert.equal(selfAttentionPatching.section(result).id, 'self-attention-patching');
  });
});

/** DecoderLens: its end is the model, its beginning a decoder over token embeddings. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { decoderLens } from '../../../analysis/experiments/decoder-lens.ts';
import { createRng } from '../../../corpus/random.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { openLab, plainRun, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { ownQueries } from '../../support/own-queries.ts';
import { writePlantedModel, mechanisms } from '../../support/planted-model.ts';
import { plantedSubject } from '../../support/analysis.ts';
import { copyModel, randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(4);
const texts = Array.from({ length: 17 }, () => randomQuery(rng));

for (const [kind, config] of [
  ['v1.0, tied', { num_layers: 3 }],
  ['v1.1, untied', { num_layers: 3, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false }],
] as const)
  describe(`decoder lens: ${kind}`, async () => {
    const dir = writeTinyModel(join(scratch, kind), { config });
    const lab = openLab(dir);
    const subject = await subjectOf(lab, await ownQueries(lab, texts));
    const { depths } = await decoderLens.run(subject);

    it('has every document at the model’s rank after all layers', () => {
      assert.equal(depths.length, 4);
      const { vocabulary } = subject.population.correct;
      assert.equal(depths[3].success, vocabulary / texts.length);
    });

    it('is a shallower model: one whose later layers write nothing', async () => {
      const folder = readModelFolder(dir);
      for (let depth = 0; depth < 3; depth++) {
        const silent = [...folder.weights.keys()].filter((name) => {
          const [, layer] = /^encoder\.block\.(\d)\..*\.(o|wo)\.weight$/.exec(name) ?? [];
          return layer !== undefined && Number(layer) >= depth;
        });
        const zeros = new Map(
          silent.map((name) => {
            const { data, shape } = folder.tensor(name);
            return [name, { shape, data: new Float32Array(data.length) }] as const;
          }),
        );
        const shallow = openLab(copyModel(join(scratch, `${kind} ${depth}`), folder, zeros));
        const { logits } = await plainRun(shallow, texts);
        const first = shallow.genir.firstDocidToken;
        const ranks = logits.map((all, q) => {
          const own = all[first + subject.population.questions[q].document];
          return 1 + all.filter((logit) => logit > own).length;
        });
        const mean = ranks.reduce((a, b) => a + b, 0) / ranks.length;
        assert.ok(Math.abs(depths[depth].mean - mean) < 1e-9, `${depth} layers: ${depths[depth].mean}, plain ${mean}`);
      }
    });

    it('shows one point for each depth', () => {
      const section = decoderLens.section({ ranking: 'vocabulary', candidates: 410, depths }, undefined);
      assert.equal(section.tables[0].rows.length, 4);
      for (const figure of section.figures) if ('xs' in figure) assert.deepEqual(figure.xs, [0, 1, 2, 3]);
    });
  });

describe('decoder lens of a planted model', () => {
  it('finds that an encoder which changes nothing is not needed', async () => {
    const planted = writePlantedModel(join(scratch, 'planted'), { mechanism: mechanisms['one-mlp'] });
    const { depths } = await decoderLens.run(await plantedSubject(planted));
    for (const { success } of depths) assert.equal(success, 1);
  });
});

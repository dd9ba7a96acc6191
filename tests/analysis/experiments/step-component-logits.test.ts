/** E6 by decoding step against sums by hand, and on a model whose MLP says what is known. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { componentTypes, outputOf } from '../../../analysis/components.ts';
import type { ComponentLogits } from '../../../analysis/experiments/component-logits.ts';
import { stepComponentLogits } from '../../../analysis/experiments/step-component-logits.ts';
import { forcedOutcomes } from '../../../analysis/path-population.ts';
import { createRng } from '../../../corpus/random.ts';
import { unembedName } from '../../../models/t5.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';
import { readAtStep } from '../../support/whole-path.ts';

const scratch = tempFolder();
const partOf = ({ parts }: ComponentLogits, part: string, withEmbedding: boolean) =>
  parts.find((one) => one.part === part && one.withEmbedding === withEmbedding)!;

describe('component logits by step, on a random model', async () => {
  const rng = createRng(23);
  const paths = randomPaths(rng, 9, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const subject = await pathSubjectOf(
    lab,
    paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` })),
  );
  const { steps } = await stepComponentLogits.run(subject);
  const { questions } = subject.population;

  it('of everything rank tokens as the model does, and sum to its logits', async () => {
    const outcomes = await forcedOutcomes(lab, questions);
    assert.equal(steps.length, 3);
    for (const one of steps) {
      const here = outcomes.filter(({ length }) => length >= one.step).map((all) => all[one.step - 1]);
      const { ranks, logit } = partOf(one, 'all', true);
      for (const ranking of ['vocabulary', 'docids'] as const)
        assert.deepEqual(
          ranks[ranking].beyond,
          [1, 5, 10, 100].map((depth) => here.filter(({ rank }) => rank[ranking] > depth).length / here.length),
        );
      assertClose([logit.trueRms!], [logit.ownRms!], 'logit');
      const parts = componentTypes.map((type) => partOf(one, type, false).logit.trueRms!);
      const sum = parts.reduce((a, b) => a + b, partOf(one, 'embedding', true).logit.trueRms!);
      assertClose([sum], [logit.ownRms!], `sum of parts, step ${one.step}`);
    }
  });

  it('of the MLPs rank tokens as their sum does by hand', async () => {
    const { d_model: D, vocab_size: V, num_decoder_layers: L } = lab.config;
    const names = Array.from({ length: L }, (_, layer) => outputOf('mlp', layer));
    const gain = lab.weight('decoder.final_layer_norm.weight').data;
    const rows = lab.weight(unembedName(lab.config)).data;
    for (const one of steps) {
      const { asked, reading } = await readAtStep(lab, questions, one.step, names);
      const ranks = asked.map(({ document }, q) => {
        const sum = Array.from({ length: D }, (_, d) =>
          names.reduce((total, name) => total + reading[name].data[q * D + d], 0),
        );
        const logits = Array.from({ length: V }, (_, v) =>
          sum.reduce((total, x, d) => total + x * gain[d] * rows[v * D + d], 0),
        );
        return 1 + logits.filter((logit) => logit > logits[lab.pathOf(document)[one.step - 1]]).length;
      });
      const { median, beyond } = partOf(one, 'mlp', false).ranks.vocabulary;
      assert.equal(median, ranks.sort((a, b) => a - b)[Math.ceil(ranks.length / 2) - 1]);
      assert.deepEqual(beyond, [1, 5, 10, 100].map((depth) => ranks.filter((rank) => rank > depth).length / ranks.length)); // prettier-ignore
    }
  });
});

describe('component logits by step: the MLP says what self-attention brings', async () => {
  const planted = writePlantedPathModel(join(scratch, 'planted'), { prefix: 'attn', query: 'attn', translates: true });
  const subject = await pathSubjectOf(openPathLab(planted.dir), planted.queries);
  const result = await stepComponentLogits.run(subject);

  it('are what was planted', () => {
    for (const one of result.steps) {
      const found = (part: string, withEmbedding: boolean) => {
        const { vocabulary, docids } = partOf(one, part, withEmbedding).ranks;
        return [vocabulary.median, vocabulary.beyond[0], docids.median, docids.beyond[0]];
      };
      // The second and the third token that name u and v answer to what the MLP says alike; the embedding tells the steps apart. At
      // step 1 the MLP says u by the first token and a little less of v, which has come through one more norm.
      assert.deepEqual(found('mlp', false), one.step === 1 ? [1, 0, 1, 0] : [1.5, 1, 1, 0]);
      assert.deepEqual(found('mlp', true), [1, 0, 1, 0]);
      assert.deepEqual(found('all', true), [1, 0, 1, 0]);
      // With the embedding alone the step's fallback is first.
      assert.ok(found('embedding', true)[0]! > 1);
      assert.deepEqual(found('embedding', true).slice(1, 2), [1]);
    }
    assert.deepEqual([partOf(result.steps[0], 'embedding', true).ranks.vocabulary.median], [3.5]);
  });

  it('are told in the report', () => {
    const { findings, figures } = stepComponentLogits.section(result);
    assert.match(findings[1], /^Step 2, .* by `mlp` 100.0.% leave rank 1, 0.0.% among the tokens that paths allow\.$/);
    assert.equal(figures.length, 1);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });
});

/** E10 by decoding step against self-attention computed by hand, and on models whose self-attention does what is known. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stepLinearSelfAttention } from '../../../analysis/experiments/step-linear-self-attention.ts';
import { openStep } from '../../../analysis/experiments/step-position.ts';
import { runPatchedStep } from '../../../analysis/step-patching.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { tensor } from '../../../models/session.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';

const scratch = tempFolder();

describe('linear self-attention by step, on a random model', async () => {
  const rng = createRng(25);
  const paths = randomPaths(rng, 8, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const subject = await pathSubjectOf(
    lab,
    paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` })),
  );
  const { questions } = subject.population;
  const { steps } = await stepLinearSelfAttention.run(subject);

  it('costs nothing at step 1, where there is one key', () => {
    const [first] = steps;
    for (const one of [first.all, ...first.layers])
      for (const name of ['fixed', 'own'] as const) assertClose([one[name].marginLoss], [0], name);
    assertClose(first.layers.map(({ ownWeight }) => ownWeight), [1, 1], 'weight'); // prettier-ignore
  });

  it('replaces heads by sums of values under other weights', async () => {
    const { num_heads: H, d_kv: K } = lab.config;
    for (const { step, layers } of steps.slice(1)) {
      const asked = questions.flatMap(({ document }, q) => (lab.pathOf(document).length >= step ? [q] : []));
      const opened = await openStep(subject, { step, queries: asked });
      for (const layer of [0, 1]) {
        const names: ActivationName[] = [`decoder.${layer}.attn_v`, `decoder.${layer}.attn_pattern`];
        const inputs = opened.documents.map((document) => lab.inputsOf(document));
        const { [names[0]]: values, [names[1]]: pattern } = await lab.decode(opened.encoded, inputs, { read: names });
        const T = values.shape[2];
        const weight = (n: number, h: number, p: number): number => pattern.data[((n * H + h) * T + step - 1) * T + p];
        const mean = (h: number, p: number): number =>
          asked.reduce((sum, _, n) => sum + weight(n, h, p), 0) / asked.length;
        const weights = { fixed: mean, own: (_: number, p: number) => Number(p === step - 1) };
        const ownWeight = Array.from({ length: H }, (_, h) => mean(h, step - 1)).reduce((a, b) => a + b, 0) / H;
        assertClose([layers[layer].ownWeight], [ownWeight], 'weight of the own position');
        for (const name of ['fixed', 'own'] as const) {
          const z = new Float32Array(asked.length * H * K);
          z.forEach((_, i) => {
            const [n, h, k] = [Math.floor(i / H / K), Math.floor(i / K) % H, i % K];
            for (let p = 0; p < step; p++) z[i] += weights[name](h, p) * values.data[((n * H + h) * T + p) * K + k];
          });
          const by = tensor(z, [asked.length, H * K]);
          const [clean, patched] = await runPatchedStep(lab, opened, [[], [{ at: `decoder.${layer}.attn_z`, by }]]);
          const fall = clean.map((one, n) => one.margin.vocabulary - patched[n].margin.vocabulary);
          const left = patched.filter(({ rank }) => rank.vocabulary > 1).length / asked.length;
          const found = layers[layer][name];
          assertClose(
            [found.left, found.marginLoss],
            [left, fall.reduce((a, b) => a + b, 0) / fall.length],
            `step ${step}, layer ${layer}, ${name}`,
          );
        }
      }
    }
  });
});

for (const prefix of ['attn', 'own'] as const)
  for (const query of ['attn', 'cross'] as const)
    describe(`linear self-attention by step: previous tokens by ${prefix}, query by ${query}`, async () => {
      const planted = writePlantedPathModel(join(scratch, `${prefix}-${query}`), { prefix, query });
      const result = await stepLinearSelfAttention.run(await pathSubjectOf(openPathLab(planted.dir), planted.queries));

      it('is what was planted', () => {
        assert.equal(result.steps.length, 3);
        for (const { step, all, layers } of result.steps) {
          // Heads look at places, whatever the query. The first token stands at the own position of step 2 alone.
          const isUsed = step > 1 && (prefix === 'attn' || query === 'attn');
          const isElsewhere = step > 1 && (query === 'attn' || (prefix === 'attn' && step > 2));
          for (const one of [all, layers[1]])
            assert.deepEqual(
              [one.fixed.left, one.own.left, one.mean.left, one.zero.left],
              [0, Number(isElsewhere), Number(isUsed), Number(isUsed)],
              `step ${step}`,
            );
          for (const one of [layers[0], layers[2]])
            for (const name of ['fixed', 'own', 'mean', 'zero'] as const) assert.equal(one[name].left, 0);
        }
      });

      it('is told in the report', () => {
        const { findings, figures } = stepLinearSelfAttention.section(result);
        if (prefix === 'attn' && query === 'attn')
          assert.match(
            findings[1],
            /^Step 2: .* 0.0.% \(.*\) where its pattern is fixed, 100.0.% .* own position alone/,
          );
        assert.equal(figures.length, 1);
        assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      });
    });

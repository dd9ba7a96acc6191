/** E8 by decoding step against loops over heads and writers, and on models whose cross-attention is driven by what is known. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { writers, writersBefore } from '../../../analysis/components.ts';
import { stepHeadSources } from '../../../analysis/experiments/step-head-sources.ts';
import { modes, type Mode } from '../../../analysis/graphs/sources.ts';
import { sumOf } from '../../../analysis/source-groups.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { cacheName } from '../../../models/graphs.ts';
import type { FloatTensor } from '../../../models/session.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';
import { readAtStep } from '../../support/whole-path.ts';

const scratch = tempFolder();
const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

describe('sources of cross-attention by step, on a random model', async () => {
  const rng = createRng(24);
  const paths = randomPaths(rng, 8, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const subject = await pathSubjectOf(
    lab,
    paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` })),
  );
  const { steps } = await stepHeadSources.run(subject);
  const { d_model: D, d_kv: K, layer_norm_epsilon } = lab.config;

  it('finds the shares and scores that a loop over queries, heads and writers finds', async () => {
    assert.equal(steps.length, 3);
    for (const { step, layers } of steps)
      for (let layer = 0; layer < lab.layers; layer++) {
        const sublayer = `decoder.block.${layer}.layer.1`;
        const q = lab.weight(`${sublayer}.EncDecAttention.q.weight`).data;
        const gain = lab.weight(`${sublayer}.layer_norm.weight`).data;
        const read: ActivationName[] = [...writers(lab.layers).map(({ at }) => at), `decoder.${layer}.resid_mid`];
        const { asked, reading } = await readAtStep(lab, subject.population.questions, step, read);
        const keys = await Promise.all(
          asked.map(async ({ text }) => {
            const { batches } = await lab.encode([text]);
            return batches[0].cross[cacheName('cross', layer, 'k')] as FloatTensor; // [1, H, S, K]
          }),
        );
        /** By writer. */
        const byHand = (n: number, head: number, mode: Mode): number[] => {
          const vector = (name: string): Float32Array => reading[name].data.subarray(n * D, (n + 1) * D);
          const x = vector(`decoder.${layer}.resid_mid`);
          const rms = Math.sqrt(sum(x.map((value) => value * value)) / D + layer_norm_epsilon);
          const normed = (y: Float32Array): number[] => Array.from(y, (value, d) => (value * gain[d]) / rms);
          const asks = (y: ArrayLike<number>): number[] =>
            Array.from({ length: K }, (_, i) =>
              sum(Array.from({ length: D }, (_, d) => q[(head * K + i) * D + d] * y[d])),
            );
          const S = keys[n].shape[2];
          const keyAt = (s: number): Float32Array => keys[n].data.subarray((head * S + s) * K, (head * S + s + 1) * K);
          const score = (y: ArrayLike<number>, s: number): number =>
            sum(asks(y).map((value, i) => value * keyAt(s)[i]));
          const scores = Array.from({ length: S }, (_, s) => score(normed(x), s));
          const place = scores.indexOf(Math.max(...scores));
          return writersBefore(lab.layers, 'cross_attn', layer).map(({ at }) =>
            score(mode === 'exact' ? normed(vector(at)) : vector(at), place),
          );
        };
        layers[layer].forEach((found, head) => {
          for (const mode of modes) {
            const positive = asked
              .map((_, n) => byHand(n, head, mode).map((t) => Math.max(0, t)))
              .filter((all) => sum(all) > 0);
            const expected = writersBefore(lab.layers, 'cross_attn', layer).map(
              (_, c) => sum(positive.map((all) => all[c] / sum(all))) / positive.length,
            );
            assertClose(found[mode], expected, `step ${step}, ${mode}, head ${layer}.${head}`);
          }
          const score = sum(asked.map((_, n) => sum(byHand(n, head, 'exact')))) / asked.length;
          assertClose([found.score], [score], `score, step ${step}, head ${layer}.${head}`);
        });
      }
  });
});

describe('sources of cross-attention by step: asked for by the token read last', async () => {
  const planted = writePlantedPathModel(join(scratch, 'planted'), { prefix: 'attn', query: 'cross' });
  const result = await stepHeadSources.run(await pathSubjectOf(openPathLab(planted.dir), planted.queries));

  it('are what was planted', () => {
    assert.equal(result.steps.length, 3);
    for (const { layers, sources } of result.steps) {
      for (const { published, exact, score } of layers[0]) {
        for (const row of [published, exact]) assertClose([sumOf(sources, row, ({ type }) => type === 'embedding')], [1], 'embedding'); // prettier-ignore
        assertClose([score], [24], 'score of the key word', 0.2);
      }
      for (const head of layers.slice(1).flat()) assert.deepEqual([sum(head.exact), head.score], [0, 0]);
    }
  });

  it('are told in the report', () => {
    const { findings, figures } = stepHeadSources.section(result);
    assert.match(findings[2], /^Step 3: .* comes from the token read last 100.0.%, self-attention 0.0.%/);
    assert.equal(figures.length, 1);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });
});

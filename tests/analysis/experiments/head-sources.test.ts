/** E8 against loops over heads and writers, and on models whose cross-attention is driven by what is known. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writers, writersBefore } from '../../../analysis/components.ts';
import { headSources } from '../../../analysis/experiments/head-sources.ts';
import { headOutputs, headSourcesGraph, modes, type Mode } from '../../../analysis/graphs/sources.ts';
import type { Lab } from '../../../analysis/lab.ts';
import { sumOf } from '../../../analysis/source-groups.ts';
import type { Stages } from '../../../analysis/stages.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import type { FloatTensor } from '../../../models/session.ts';
import { assertClose, openLab, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanismNames, mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(6);
const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));

const kinds: Record<string, TinyModelOptions> = {
  'T5 v1.0, tied': { config: { num_decoder_layers: 3 } },
  'T5 v1.1, gated and untied': {
    seed: 2,
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false, d_kv: 6 },
  },
};

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

interface Run {
  readonly encoderOut: FloatTensor;
  readonly out: Readonly<Record<string, FloatTensor>>;
}

/** Contributions of all writers to the greatest score of one head for query b of a batch, by the definition. */
function byHand(lab: Lab, { encoderOut, out }: Run, b: number, layer: number, head: number, mode: Mode): number[] {
  const { d_model: D, d_kv: K, layer_norm_epsilon } = lab.config;
  const sublayer = `decoder.block.${layer}.layer.1`;
  const weight = (letter: string): Float32Array => lab.weight(`${sublayer}.EncDecAttention.${letter}.weight`).data;
  const [q, k, gain] = [weight('q'), weight('k'), lab.weight(`${sublayer}.layer_norm.weight`).data];
  const S = encoderOut.shape[1];
  const H = lab.config.num_heads;
  const scores = out[`decoder.${layer}.cross_attn_scores`].data.subarray((b * H + head) * S, (b * H + head + 1) * S);
  const place = scores.indexOf(Math.max(...scores));
  const vector = (name: ActivationName): Float32Array => out[name].data.subarray(b * D, (b + 1) * D);
  const projected = (matrix: Float32Array, x: ArrayLike<number>): number[] =>
    Array.from({ length: K }, (_, i) =>
      sum(Array.from({ length: D }, (_, d) => matrix[(head * K + i) * D + d] * x[d])),
    );
  const key = projected(k, encoderOut.data.subarray((b * S + place) * D, (b * S + place + 1) * D));
  const x = vector(`decoder.${layer}.resid_mid`);
  const rms = Math.sqrt(sum(x.map((value) => value * value)) / D + layer_norm_epsilon);
  return writersBefore(lab.layers, 'cross_attn', layer).map(({ at }) => {
    const output = mode === 'exact' ? vector(at).map((value, d) => (value * gain[d]) / rms) : vector(at);
    return sum(projected(q, output).map((value, i) => value * key[i]));
  });
}

for (const [kind, options] of Object.entries(kinds))
  describe(`sources of cross-attention, ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), options));
    const subject = await subjectOf(lab, queries);
    const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
    const heads = Array.from({ length: lab.config.num_heads }, (_, head) => head);
    const runs: (Run & { queries: Int32Array })[] = [];
    const read = [
      ...writers(lab.layers).map(({ at }) => at),
      ...layers.flatMap((l): ActivationName[] => [`decoder.${l}.resid_mid`, `decoder.${l}.cross_attn_scores`]),
    ];
    for await (const { batch, out } of lab.decodeBatches(subject.encoded, { read }))
      runs.push({ encoderOut: batch.encoderOut, out, queries: batch.queries });
    const result = await headSources.run(subject);

    it('divides scores: exact contributions sum to the greatest score of each head', async () => {
      const wanted = layers.map((layer) => headOutputs(layer).contributions.exact);
      const session = await lab.session('exact scores', () => headSourcesGraph(lab.config, lab.weight, wanted));
      for (const [i, batch] of subject.encoded.batches.entries()) {
        const out = (await session.run(lab.startFeeds(batch))) as Record<string, FloatTensor>;
        for (const layer of layers) {
          const { data, shape } = out[wanted[layer]];
          const [B, C, H] = shape;
          const { data: scores, shape: scoreShape } = runs[i].out[`decoder.${layer}.cross_attn_scores`];
          const S = scoreShape[3];
          const pairs = Array.from({ length: B * H }, (_, j) => j);
          assertClose(
            pairs.map((j) => sum(Array.from({ length: C }, (_, c) => data[(Math.floor(j / H) * C + c) * H + (j % H)]))),
            pairs.map((j) => Math.max(...scores.subarray(j * S, (j + 1) * S))),
            `layer ${layer}`,
          );
        }
      }
    });

    it('finds the shares and scores that a loop over queries, heads and writers finds', () => {
      for (const layer of layers)
        for (const head of heads) {
          for (const mode of modes) {
            const positive = runs
              .flatMap((run) => Array.from(run.queries, (_, b) => byHand(lab, run, b, layer, head, mode)))
              .map((all) => all.map((t) => Math.max(0, t)))
              .filter((all) => sum(all) > 0); // a query that nothing speaks for has no shares
            const expected = writersBefore(lab.layers, 'cross_attn', layer).map(
              (_, c) => sum(positive.map((all) => all[c] / sum(all))) / positive.length,
            );
            assertClose(result.layers[layer][head][mode], expected, `${mode}, head ${layer}.${head}`);
          }
          const { signed, score } = result.layers[layer][head];
          const hand = runs.flatMap((run) =>
            Array.from(run.queries, (_, b) => byHand(lab, run, b, layer, head, 'exact')),
          );
          assertClose(
            signed,
            signed.map((_, c) => sum(hand.map((t) => t[c])) / queries.length),
            `signed, head ${layer}.${head}`,
          );
          assertClose([sum(signed)], [score], `score of head ${layer}.${head}`);
        }
    });
  });

describe('sources of cross-attention in planted models', () => {
  for (const name of mechanismNames)
    it(`names what asks in "${name}"`, async () => {
      const planted = writePlantedModel(join(scratch, `planted-${name}`), { mechanism: mechanisms[name] });
      const { sources, layers } = await headSources.run(await plantedSubject(planted));
      const { component, layers: causes } = planted.expected.asks;
      layers.forEach((heads, layer) =>
        heads.forEach(({ published, exact, score }, head) => {
          if (!mechanisms[name].bridges.includes(layer)) {
            assert.deepEqual([sum(published), sum(exact), score], [0, 0, 0]);
            return;
          }
          const cause = (row: readonly number[]): number =>
            sumOf(sources, row, (s) => s.type === component && (component === 'embedding' || causes.includes(s.layer)));
          assertClose([cause(published), cause(exact)], [1, 1], `head ${layer}.${head}`, 1e-3);
          assertClose([score], [24], 'score of the key word', 1);
        }),
      );
    });

  it('looks at one of two equal words', async () => {
    const planted = writePlantedModel(join(scratch, 'twice'), { mechanism: mechanisms['three-stages'] });
    const lab = openLab(planted.dir);
    const [{ docid, keyWord }] = planted.queries;
    const once = await headSources.run(await subjectOf(lab, [{ text: keyWord, docid }]));
    const twice = await headSources.run(await subjectOf(lab, [{ text: `${keyWord} ${keyWord}`, docid }]));
    assertClose([twice.layers[2][0].score], [once.layers[2][0].score], 'score', 1e-3);
  });

  it('says what drives the bridging stage where there is one', async () => {
    const planted = writePlantedModel(join(scratch, 'said'), { mechanism: mechanisms['three-stages'] });
    const result = await headSources.run(await plantedSubject(planted));
    const stage = (from: number, to: number): Stages['priming'] => ({
      from,
      to,
      confidence: 1,
      fromInterval: [from, from],
      toInterval: [to, to],
    });
    const staged = headSources.section(result, {
      version: 1,
      layers: 6,
      ranking: 'vocabulary',
      queries: 1,
      priming: stage(0, 2),
      bridging: stage(2, 4),
      interaction: null,
      mlps: [],
    });
    assert.match(
      staged.findings.join('\n'),
      /MLPs of the priming stage give 100.0.% of it as published, 100.0.% exactly/,
    );
    const plain = headSources.section(result, undefined);
    assert.match(plain.findings.join('\n'), /16 of 24 heads have scores of zero/);
    assert.match(plain.findings.join('\n'), /cross-attention of all layers comes most from `mlp`/);
  });
});

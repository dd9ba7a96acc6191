/** Planted models do what `expected` says of them: the claims that analyses are tested against, proved by ablation. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { activationNames, type ActivationName } from '../../models/activations.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { decoderGraph, encoderGraph, patchInputs, type WeightSource } from '../../models/graphs.ts';
import { int64, Session, tensor, type Feeds, type FloatTensor } from '../../models/session.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import type { WeightTensor } from '../../models/weights.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import {
  mechanismNames,
  mechanisms,
  threeStages,
  writePlantedModel,
  expectedOf,
  type Ablation,
  type Cause,
  type Component,
  type PlantedModel,
  type PlantedModelOptions,
} from '../support/planted-model.ts';

const opened: { release(): Promise<void> }[] = [];
after(() => Promise.all(opened.map((session) => session.release())));
const scratch = tempFolder();

/** A model with all its queries run once; `ablated` runs them again with some components replaced. */
interface Bench {
  readonly model: PlantedModel;
  readonly folder: ModelFolder;
  /** Token ids of each query. */
  readonly tokens: readonly (readonly number[])[];
  /** float32 [B, S, D] */
  readonly encoderOut: FloatTensor;
  /** All activations of the decoder. */
  readonly clean: Readonly<Record<string, FloatTensor>>;
  ablated(ablations: readonly Ablation[]): Promise<FloatTensor>;
}

async function bench(name: string, options: PlantedModelOptions): Promise<Bench> {
  const model = writePlantedModel(join(scratch, name), options);
  const folder = readModelFolder(model.dir);
  const { config } = folder;
  const known = new Map([...folder.weights.keys()].map((weight) => [weight, folder.tensor(weight)]));
  const weights: WeightSource = (weight) => known.get(weight) ?? folder.tensor(weight);
  const tokenizer = loadTokenizer(folder);
  const tokens = model.queries.map(({ text }) => tokenizer.encode(text));
  const { inputIds, mask, length } = padBatch(tokens, config.pad_token_id);
  const B = model.queries.length;
  const attention_mask = tensor(mask, [B, length]);
  const open = async (...args: Parameters<typeof Session.open>): Promise<Session> => {
    const session = await Session.open(...args);
    opened.push(session);
    return session;
  };
  const encoder = await open(encoderGraph(config, weights));
  const { encoder_out } = await encoder.run({ input_ids: tensor(inputIds, [B, length]), attention_mask });
  const starts = new Array<number>(B).fill(config.decoder_start_token_id);
  const feeds: Feeds = { encoder_out, attention_mask, decoder_input_ids: int64(starts, [B, 1]) };
  const read = activationNames(config).filter((activation) => activation.startsWith('decoder'));
  const plain = await open(decoderGraph(config, weights, { read }));
  const clean = (await plain.run(feeds)) as Record<string, FloatTensor>;

  const D = config.d_model;
  const patched = read.filter((activation) => /\.(attn_out|cross_attn_out|mlp_out)$/.test(activation));
  const instrumented = await open(decoderGraph(config, weights, { patched }));
  const patch = (activation: ActivationName, how?: Ablation['how']): Feeds => {
    const { mask: maskInput, value: valueInput } = patchInputs(activation);
    const value = new Float32Array(D);
    if (how === 'mean') clean[activation].data.forEach((x, i) => (value[i % D] += x / B));
    return {
      [maskInput]: tensor(new Float32Array(B).fill(how ? 1 : 0), [B, 1, 1]),
      [valueInput]: tensor(value, [1, 1, D]),
    };
  };
  return {
    model,
    folder,
    tokens,
    encoderOut: encoder_out as FloatTensor,
    clean,
    async ablated(ablations) {
      const all: Feeds = Object.assign({}, feeds, ...patched.map((activation) => patch(activation))) as Feeds;
      const changed = ablations.flatMap(({ component, layers, how }) =>
        layers.map((layer) => patch(`decoder.${layer}.${component}_out`, how)),
      );
      const { logits } = await instrumented.run(Object.assign({}, all, ...changed) as Feeds);
      return logits as FloatTensor;
    },
  };
}

type Vector = ArrayLike<number>;
function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Row i of a matrix, or the D numbers at place i of an activation. */
const rowOf = ({ data, shape }: WeightTensor, i: number): Float32Array => {
  const width = shape[shape.length - 1];
  return data.subarray(i * width, (i + 1) * width);
};

/** Logits of a vector of the residual stream, but for a positive factor (the norm's 1/rms). */
function lens({ folder }: Bench, x: Float32Array): number[] {
  const unembed = folder.tensor('shared.weight');
  const gain = folder.tensor('decoder.final_layer_norm.weight').data;
  const normed = x.map((value, i) => value * gain[i]);
  return Array.from({ length: folder.config.vocab_size }, (_, token) => dot(rowOf(unembed, token), normed));
}

/** The tokens of docids and those that are words, of values by token. */
function split({ folder }: Bench, values: readonly number[]): { docids: number[]; words: number[] } {
  const first = folder.genir?.firstDocidToken ?? NaN;
  return { docids: values.slice(first), words: values.slice(0, first) };
}

/** What stands in the residual stream before cross-attention or the MLP of `layer`, by the component that wrote it. */
function earlier(layer: number, reader: 'cross_attn' | 'mlp'): { cause: Cause; name: ActivationName }[] {
  const written = (component: Component, i: number): { cause: Cause; name: ActivationName } => ({
    cause: { component, layers: [i] },
    name: `decoder.${i}.${component}_out`,
  });
  const before = Array.from({ length: layer }, (_, i) =>
    (['attn', 'cross_attn', 'mlp'] as const).map((component) => written(component, i)),
  ).flat();
  return [
    { cause: { component: 'embedding', layers: [] }, name: 'decoder.0.resid_pre' },
    ...before,
    written('attn', layer),
    ...(reader === 'mlp' ? [written('cross_attn', layer)] : []),
  ];
}

/** How much of all positive contributions along `direction` come from `cause`. All norms' gains are alike here. */
function positiveShare(
  { clean }: Bench,
  query: number,
  direction: Vector,
  written: ReturnType<typeof earlier>,
  cause: Cause,
): number {
  let [all, its] = [0, 0];
  for (const { cause: one, name } of written) {
    const contribution = Math.max(0, dot(direction, rowOf(clean[name], query)));
    all += contribution;
    if (one.component === cause.component && one.layers.every((layer) => cause.layers.includes(layer)))
      its += contribution;
  }
  return its / all;
}

/** By how much each query's document leads all others (negative: is behind the best), of all tokens or of docids. */
function leads({ model, folder }: Bench, logits: FloatTensor, among: 'tokens' | 'docids'): number[] {
  const { docids, firstDocidToken } = folder.genir as NonNullable<ModelFolder['genir']>;
  const V = folder.config.vocab_size;
  return model.queries.map(({ docid }, query) => {
    const row = logits.data.subarray(query * V, (query + 1) * V);
    const own = firstDocidToken + docids.indexOf(docid);
    let best = -Infinity;
    for (let token = among === 'tokens' ? 0 : firstDocidToken; token < V; token++)
      if (token !== own) best = Math.max(best, row[token]);
    return row[own] - best;
  });
}

/** No lead or lag that counts is below this: logits differ by some 1e-5 from rounding. */
const CLEAR = 0.2;
const told = (ablations: readonly Ablation[]): string =>
  ablations.map(({ component, layers, how }) => `${how} ${component} ${layers.join()}`).join('; ');

/** All values of `above` are clearly greater than all of `below`. */
function assertAbove(above: readonly number[], below: readonly number[], what: string): void {
  const lead = Math.min(...above) - Math.max(...below);
  assert.ok(lead > CLEAR, `${what}: a lead of ${lead}`);
}

/** Every claim of `expected` that ablations prove. */
function proves(name: string, options: PlantedModelOptions): void {
  describe(name, async () => {
    const world = await bench(name.replaceAll(' ', '-'), options);
    const { expected } = world.model;
    const keepsAll = async (ablations: readonly Ablation[]): Promise<void> => {
      const lead = Math.min(...leads(world, await world.ablated(ablations), 'tokens'));
      assert.ok(lead > CLEAR, `${told(ablations)}: a document leads by ${lead}`);
    };

    it('ranks the document of every query first of all tokens', () => keepsAll([]));

    for (const ablation of expected.kills)
      it(`has no document left at rank 1 after ${told([ablation])}`, async () => {
        const logits = await world.ablated([ablation]);
        for (const among of ['tokens', 'docids'] as const) {
          const lead = Math.max(...leads(world, logits, among));
          assert.ok(lead < -CLEAR, `of ${among}, a document leads by ${lead}`);
        }
      });

    it('keeps all documents at rank 1 after each of the ablations that spare it', async () => {
      for (const ablation of expected.spares) await keepsAll([ablation]);
    });

    it('keeps them in the circuit alone', () => keepsAll(expected.outsideCircuit));
  });
}

/** Every claim of `expected` on what components read and write. Without noise they hold to the rounding. */
function shows(name: string, options: PlantedModelOptions): void {
  describe(`${name}, read`, async () => {
    const world = await bench(`${name} read`.replaceAll(' ', '-'), options);
    const { model, folder, tokens, clean, encoderOut } = world;
    const { expected } = model;
    const { num_heads: H, d_kv: K, d_model: D } = folder.config;
    const tokenizer = loadTokenizer(folder);
    const keyTokens = model.queries.map(({ keyWord }) => tokenizer.encode(keyWord)[0]);
    const keyPlaces = tokens.map((ids, query) => ids.indexOf(keyTokens[query]));
    const S = encoderOut.shape[1];
    const bridges = options.mechanism.bridges;

    it('has queries of different lengths with the key word at different places', () => {
      assert.equal(new Set(tokens.map((ids) => ids.length)).size, 3);
      assert.deepEqual([...new Set(keyPlaces)].sort(), [0, 1, 3]);
    });

    it('is served as it is analysed, with the fallback document for a query without key words', async () => {
      const decoder = await DocidDecoder.open(folder);
      opened.push({ release: () => decoder.close() });
      const texts = [...model.queries.map(({ text }) => text), 'what is the north'];
      const found = await decoder.retrieve(texts.map((query) => ({ query, k: 1 })));
      const docids = folder.genir?.docids ?? [];
      assert.deepEqual(
        found.map(({ rows }) => docids[rows[0]]),
        [...model.queries.map(({ docid }) => docid), docids.at(-1)],
      );
    });

    it('looks at the key word in the bridging layers, for the cause that is told', () => {
      for (const layer of bridges) {
        const attention = `decoder.block.${layer}.layer.1.EncDecAttention`;
        const [q, k] = ['q', 'k'].map((letter) => folder.tensor(`${attention}.${letter}.weight`));
        for (const [query, place] of keyPlaces.entries())
          for (let head = 0; head < H; head++) {
            const weight = clean[`decoder.${layer}.cross_attn_pattern`].data[(query * H + head) * S + place];
            assert.ok(weight > 0.9, `layer ${layer}, head ${head}, query ${query}: ${weight}`);
            const direction = new Array<number>(D).fill(0); // W_Qᵀ k of the key word
            for (let i = head * K; i < (head + 1) * K; i++) {
              const attnKey = dot(rowOf(k, i), rowOf(encoderOut, query * S + place));
              rowOf(q, i).forEach((x, d) => (direction[d] += x * attnKey));
            }
            const share = positiveShare(world, query, direction, earlier(layer, 'cross_attn'), expected.asks);
            assert.ok(share > 0.999, `layer ${layer}, head ${head}, query ${query}: a share of ${share}`);
          }
      }
    });

    it(`writes ${expected.crossAttentionWrites} there, those of the query first`, () => {
      for (const layer of bridges)
        for (const query of keyPlaces.keys()) {
          const { docids, words } = split(world, lens(world, rowOf(clean[`decoder.${layer}.cross_attn_out`], query)));
          const own = folder.genir?.docids.indexOf(model.queries[query].docid) ?? NaN;
          const [above, below, first] =
            expected.crossAttentionWrites === 'words' ? [words, docids, keyTokens[query]] : [docids, words, own];
          assertAbove(above, below, `layer ${layer}, query ${query}`);
          const others = above.filter((_, i) => i !== first);
          assertAbove([above[first]], others, `layer ${layer}, query ${query}, its own`);
        }
    });

    it('activates the neurons of the interaction stage by what is told', () => {
      const { activates } = expected;
      assert.equal(activates === null, options.mechanism.translates.length === 0);
      if (activates === null) return;
      for (const layer of options.mechanism.translates) {
        const wi = folder.tensor(`decoder.block.${layer}.layer.2.DenseReluDense.wi.weight`);
        for (const query of keyPlaces.keys()) {
          const post = rowOf(clean[`decoder.${layer}.mlp_post`], query);
          const active = [...post.keys()].filter((neuron) => post[neuron] > 0);
          assert.equal(active.length, 2);
          for (const neuron of active) {
            const share = positiveShare(world, query, rowOf(wi, neuron), earlier(layer, 'mlp'), activates);
            assert.ok(share > 0.999, `layer ${layer}, neuron ${neuron}, query ${query}: a share of ${share}`);
          }
        }
      }
    });

    it('turns the order of words and docids in its priming stage, if it has one', () => {
      const { priming } = expected.stages;
      if (priming === null) return;
      for (const query of keyPlaces.keys()) {
        const [before, after] = [priming[0], priming[1]].map((layer) =>
          split(world, lens(world, rowOf(clean[`decoder.${layer}.resid_pre`], query))),
        );
        assertAbove(before.words, before.docids, `query ${query}, words before priming`);
        assertAbove(after.docids, after.words, `query ${query}, docids after priming`);
      }
    });
  });
}

it('planted models have the stages they are named for', () => {
  const stages = mechanismNames.map((name) => expectedOf(mechanisms[name], 6).stages);
  assert.deepEqual(stages, [
    { priming: [0, 2], bridging: [2, 4], interaction: [4, 6] },
    { priming: null, bridging: [1, 3], interaction: [4, 5] },
    { priming: null, bridging: [2, 4], interaction: null },
    { priming: null, bridging: [1, 2], interaction: [3, 5] },
    { priming: null, bridging: [2, 4], interaction: [4, 5] },
  ]);
});

for (const name of mechanismNames) {
  shows(name, { mechanism: mechanisms[name] });
  proves(name, { mechanism: mechanisms[name] });
  proves(`${name} with noise`, { mechanism: mechanisms[name], noise: 0.01 });
}
proves('three stages of ten layers', { mechanism: threeStages(3, 7, 10), decoderLayers: 10, documents: 24 });
proves('redundant with eight documents', { mechanism: mechanisms.redundant, documents: 8 });
proves('three stages of one layer each', { mechanism: threeStages(1, 2, 3), decoderLayers: 3, documents: 8 });

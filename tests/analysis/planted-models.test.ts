/** Planted models do what `expected` says of them: the claims that analyses are tested against, proved by ablation. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { activationNames, type ActivationName } from '../../models/activations.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { decoderGraph, encoderGraph, patchInputs, type WeightSource } from '../../models/graphs.ts';
import { int64, Session, tensor, type Feeds, type FloatTensor } from '../../models/session.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import {
  mechanismNames,
  mechanisms,
  threeStages,
  writePlantedModel,
  type Ablation,
  type PlantedModel,
  type PlantedModelOptions,
} from '../support/planted-model.ts';

const opened: Session[] = [];
after(() => Promise.all(opened.map((session) => session.release())));
const scratch = tempFolder();

/** A model with all its queries run once; `ablated` runs them again with some components replaced. */
interface Bench {
  readonly model: PlantedModel;
  readonly folder: ModelFolder;
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
  const { inputIds, mask, length } = padBatch(
    model.queries.map(({ text }) => tokenizer.encode(text)),
    config.pad_token_id,
  );
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

for (const name of mechanismNames) {
  proves(name, { mechanism: mechanisms[name] });
  proves(`${name} with noise`, { mechanism: mechanisms[name], noise: 0.01 });
}
proves('three stages of ten layers', { mechanism: threeStages(3, 7, 10), decoderLayers: 10, documents: 24 });
proves('three stages of one layer each', { mechanism: threeStages(1, 2, 3), decoderLayers: 3, documents: 8 });

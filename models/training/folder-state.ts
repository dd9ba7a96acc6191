/**
 * @file What is trained, from and to the weights of a model folder: words and docids in one table, linear maps turned
 * round, the scale of tied models in the rows.
 */
import type { Document } from '../../corpus/documents.ts';
import { createRng } from '../../corpus/random.ts';
import type { T5Config } from '../config.ts';
import { expectedWeights, type ModelFolder } from '../folder.ts';
import { transposed } from '../graphs.ts';
import { isLinear, unembedName } from '../t5.ts';
import type { WeightTensor } from '../weights.ts';
import { initialWeight, normal } from './lexical-start.ts';
import { trainedShapes, trainingState, type TrainingState } from './trainer.ts';

/** What the product of a decoder's state and a row of the vocabulary is multiplied by (tied models: D^-½). */
export const outputScale = (config: T5Config): number => (config.scale_decoder_outputs ? config.d_model ** -0.5 : 1);

/** A T5 made elsewhere: its own weights; documents it knows keep their rows, the others start small and random. */
export function stateOfFolder(
  base: ModelFolder,
  config: T5Config,
  words: number,
  documents: readonly Document[],
  seed: number,
): TrainingState {
  const d = config.d_model;
  const rng = createRng(seed + 3);
  const shared = base.tensor('shared.weight').data;
  const outputs = base.config.tie_word_embeddings ? shared : base.tensor(unembedName(base.config)).data;
  const scale = outputScale(base.config);
  const atomic = base.genir?.scheme === 'atomic' ? base.genir : undefined;
  const known = new Map(atomic?.docids.map((docid, row) => [docid, atomic.firstDocidToken + row]));
  const rows = new Float32Array(documents.length * d);
  documents.forEach(({ docid }, row) => {
    const at = known.get(docid);
    for (let j = 0; j < d; j++)
      rows[row * d + j] = at === undefined ? normal(rng) / Math.sqrt(d) : outputs[at * d + j] * scale;
  });
  const weights = new Map<string, Float32Array>();
  for (const name of trainedShapes(config).keys()) {
    const weight = base.tensor(name);
    weights.set(name, isLinear(name) ? transposed(weight) : weight.data);
  }
  const start = config.decoder_start_token_id * d;
  const embeddings = shared.slice(0, words * d);
  return trainingState({ embeddings, start: shared.slice(start, start + d), rows, weights });
}

/** The words' part of the table that tokens are read from, float32 [W, D]: the start token has a row in it. */
function wordTable(config: T5Config, state: TrainingState): Float32Array {
  const table = state.embeddings.data.slice();
  table.set(state.start.data, config.decoder_start_token_id * config.d_model);
  return table;
}

/** All that an unconstrained answer is chosen from, in the scale of docid rows: float32 [N + W, D], documents before words. */
export function vocabularyRows(
  config: T5Config,
  state: TrainingState,
  words: number,
  base: ModelFolder | undefined,
): Float32Array {
  const documents = state.rows.data;
  const rows = new Float32Array(documents.length + words * config.d_model);
  rows.set(documents);
  const table = config.tie_word_embeddings ? wordTable(config, state) : base!.tensor(unembedName(config)).data;
  const scale = outputScale(config);
  for (let i = documents.length; i < rows.length; i++) rows[i] = table[i - documents.length] * scale;
  return rows;
}

/** All weights by HF's name in HF's orientation; docid rows behind the words. */
export function exportWeights(
  config: T5Config,
  state: TrainingState,
  words: number,
  base: ModelFolder | undefined,
  seed: number,
): Map<string, WeightTensor> {
  const d = config.d_model;
  const rng = createRng(seed + 4);
  const scale = 1 / outputScale(config);
  const withDocids = (table: Float32Array): Float32Array => {
    const all = new Float32Array(config.vocab_size * d);
    all.set(table.subarray(0, words * d));
    all.set(
      state.rows.data.map((x) => x * scale),
      words * d,
    );
    return all;
  };
  const embeddings = wordTable(config, state);
  const weights = new Map<string, WeightTensor>();
  for (const { name, shape } of expectedWeights(config)) {
    const trained = state.weights.get(name)?.data;
    if (name === 'shared.weight') weights.set(name, { shape, data: withDocids(embeddings) });
    else if (name === 'lm_head.weight') weights.set(name, { shape, data: withDocids(base!.tensor(name).data) });
    else if (trained)
      weights.set(name, {
        shape,
        data: isLinear(name) ? transposed({ data: trained, shape: [...shape].reverse() }) : trained,
      });
    else weights.set(name, base ? base.tensor(name) : { shape, data: initialWeight(name, shape, rng) }); // not used at decoder length 1
  }
  return weights;
}

/**
 * @file A space of their own for docids. Words and documents of the lexical start have directions in the same space; a
 * state that sums the words of its query is then a document's row as it is, and the MLPs have nothing to do. Here the rows'
 * coordinates change places, and the MLPs of the last layers carry the state over, one pair of neurons for each coordinate:
 * they turn what cross-attention read into docids, and it is there that an edit can reach them.
 */
import { createRng, shuffle } from '../../corpus/random.ts';
import type { T5Config } from '../config.ts';

/** Dimensions of an embedding that carry no direction: importance, start marker, and two left to training. */
export const RESERVED = 4;

/** Layers whose cross-attention carries the directions in the lexical start: the first ones, a slice each. */
export const carryingLayers = ({ d_model, num_heads, d_kv, num_decoder_layers }: T5Config): number =>
  Math.min(num_decoder_layers, Math.ceil((d_model - RESERVED) / (num_heads * d_kv)));

/** Coordinates [from, to) of the residual stream that the MLP of a layer carries over. */
export interface Passage {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
}

/** As few of the last layers as have the neurons, none of them a layer that reads words. */
export function passages(config: T5Config): Passage[] {
  const { d_model: D, d_ff: F, num_decoder_layers: L } = config;
  const free = L - carryingLayers(config);
  const count = Math.min(free, Math.ceil((D - RESERVED) / (F >> 1)));
  const width = Math.min(Math.ceil((D - RESERVED) / count), F >> 1);
  return Array.from({ length: count }, (_, i) => ({
    layer: L - count + i,
    from: Math.min(D, RESERVED + i * width),
    to: Math.min(D, RESERVED + (i + 1) * width),
  }));
}

/**
 * For each coordinate of a word's direction the one that documents have in its place. Coordinates move within a passage,
 * in one cycle, so that none stays; those of no passage stay. A function of the sizes alone.
 */
export function docidPlaces(config: T5Config): Int32Array {
  const places = Int32Array.from({ length: config.d_model }, (_, j) => j);
  for (const { layer, from, to } of passages(config)) {
    const cycle = shuffle(
      Int32Array.from({ length: to - from }, (_, i) => from + i),
      createRng(layer),
    );
    cycle.forEach((j, i) => (places[j] = cycle[(i + 1) % cycle.length]));
  }
  return places;
}

/**
 * Writes the passages into the MLPs: neurons relu(±x̂_j) move coordinate j of the normalised stream to its place and take
 * it away where it was.
 *
 * @param weights  of a ReLU T5 by HF's name, linear maps [in, out]
 * @param rms      root mean square of the residual stream there, on average: what the norm divides by
 */
export function placePassages(config: T5Config, weights: ReadonlyMap<string, Float32Array>, rms: number): void {
  const { d_model: D, d_ff: F } = config;
  const places = docidPlaces(config);
  for (const { layer, from, to } of passages(config)) {
    const dense = `decoder.block.${layer}.layer.2.DenseReluDense`;
    const [wi, wo] = ['wi', 'wo'].map((name) => weights.get(`${dense}.${name}.weight`)!); // [D, F], [F, D]
    for (let j = from; j < to; j++) {
      [1, -1].forEach((sign, side) => {
        const neuron = 2 * (j - from) + side;
        for (let d = 0; d < D; d++) wi[d * F + neuron] = 0;
        wi[j * F + neuron] = sign;
        wo[neuron * D + places[j]] += sign * rms;
        wo[neuron * D + j] -= sign * rms;
      });
    }
  }
}

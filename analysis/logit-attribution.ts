/**
 * @file Direct logit attribution. A logit is the dot product of a row of the unembedding with the normed final state. For
 * one state the final norm is a division by a number, so with that number held fixed the logit is linear in the residual
 * stream, and every vector that was added to the stream has its share of it. All shares sum to the logit.
 */
import { tensor, type FloatTensor } from '../models/session.ts';
import type { Lab } from './lab.ts';
import { dot } from './vectors.ts';

/** Rows of the unembedding, float32 [M, D]: for logits. */
export function documentRows({ rows, config: { d_model: D } }: Lab, documents: readonly number[]): FloatTensor {
  const data = new Float32Array(documents.length * D);
  documents.forEach((n, i) => data.set(rows.data.subarray(n * D, (n + 1) * D), i * D));
  return tensor(data, [documents.length, D]);
}

/**
 * Each document's row minus that of the best other document at its state, float32 [M, D]: for margins. Zero where the model
 * has no other.
 *
 * @param states  float32 [M, D] final residual streams before the final norm
 */
export async function leadRows(lab: Lab, states: FloatTensor, documents: readonly number[]): Promise<FloatTensor> {
  const { docid_rival } = await lab.lens(states, { kinds: ['rivals'], documents });
  const [own, other] = [documents, Array.from(docid_rival.data, Number)].map((of) => documentRows(lab, of));
  return tensor(
    own.data.map((x, i) => x - other.data[i]),
    own.shape,
  );
}

/**
 * The directions of the residual stream along which logits grow: gain ⊙ row · scale / rms(state).
 *
 * @param states  float32 [M, D] final residual streams before the final norm, whose rms is the one held fixed
 * @param rows    float32 [M, D] rows of the unembedding for logits, differences of two rows for margins
 * @returns       float32 [M, D]; its dot product with a part of the stream is the part's share
 */
export function logitDirections(
  { config, weight }: Pick<Lab, 'config' | 'weight'>,
  states: FloatTensor,
  rows: FloatTensor,
): FloatTensor {
  const D = config.d_model;
  const gain = weight('decoder.final_layer_norm.weight').data;
  const scale = config.scale_decoder_outputs ? D ** -0.5 : 1;
  const data = new Float32Array(rows.data.length);
  for (let at = 0; at < data.length; at += D) {
    const state = states.data.subarray(at, at + D);
    const factor = scale / Math.sqrt(dot(state, state) / D + config.layer_norm_epsilon);
    for (let d = 0; d < D; d++) data[at + d] = rows.data[at + d] * gain[d] * factor;
  }
  return tensor(data, rows.shape);
}

/**
 * The share of each vector in the logit along its query's direction.
 *
 * @param outputs     by name, float32 [M, …, D]: a writer's outputs [M, D] or those of its heads [M, H, D]
 * @param directions  float32 [M, D], from `logitDirections`
 * @returns           by name, float64 [M · …], in the order of the vectors
 */
export function attributeLogit<Name extends string>(
  outputs: Readonly<Record<Name, FloatTensor>>,
  directions: FloatTensor,
): Record<Name, Float64Array> {
  const [M, D] = directions.shape;
  const shares = ({ data }: FloatTensor): Float64Array => {
    const each = data.length / D / M; // vectors of one query
    return Float64Array.from({ length: M * each }, (_, i) => {
      const m = Math.floor(i / each);
      return dot(data.subarray(i * D, (i + 1) * D), directions.data.subarray(m * D, (m + 1) * D));
    });
  };
  const all = Object.entries<FloatTensor>(outputs).map(([name, output]) => [name, shares(output)]);
  return Object.fromEntries(all) as Record<Name, Float64Array>;
}

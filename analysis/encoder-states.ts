/**
 * @file What the decoder finds where other states stand in the encoder's place.
 */
import { encoderNormGraph } from '../models/encoder-norm.ts';
import type { FloatTensor } from '../models/session.ts';
import type { Encoded, Lab } from './lab.ts';
import type { Population } from './population.ts';

/**
 * The same batches with other encoder states.
 *
 * @param states  float32 [B, S, D] for each batch, final norm included
 */
export const withStates = ({ count, batches }: Encoded, states: readonly FloatTensor[]): Encoded => ({
  count,
  batches: batches.map((batch, i) => ({ ...batch, encoderOut: states[i] })),
});

/** The final norm of this model's encoder. @param resids float32 [B, S, D] each @returns the same shapes */
export async function finalNorm(lab: Lab, resids: readonly FloatTensor[]): Promise<FloatTensor[]> {
  const session = await lab.session('encoder norm', () => encoderNormGraph(lab.config, lab.weight));
  const normed: FloatTensor[] = [];
  for (const resid of resids) normed.push((await session.run({ resid })).encoder_out as FloatTensor);
  return normed;
}

/** The rank of each question's document, by the ranking that made it a correct one. @returns [Q], counted from 1 */
export async function documentRanks(
  lab: Lab,
  encoded: Encoded,
  { questions, ranking }: Pick<Population, 'questions' | 'ranking'>,
): Promise<Float32Array> {
  const { state } = await lab.decode(encoded);
  const ranks = await lab.ranks(
    state,
    questions.map(({ document }) => document),
  );
  return ranking === 'vocabulary' ? ranks.rank : ranks.docidRank;
}

import type { ActivationName } from '../models/activations.ts';
import { encoderGraph, startDecoderGraph } from '../models/graphs.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import type { Donor } from './donors.ts';
import type { Encoded, Lab } from './lab.ts';

/**
 * What a donor's own encoder and decoder compute on the subject's queries.
 *
 * @param read  activations of the decoder that are [B, 1, D]
 * @returns     float32 [Q, D] by name
 */
export async function donorOutputs(
  lab: Lab,
  { key, config, weight }: Donor,
  { count, batches }: Encoded,
  read: readonly ActivationName[],
): Promise<Map<ActivationName, FloatTensor>> {
  const D = config.d_model;
  const encoder = await lab.session(JSON.stringify(['donor, whole encoder', key]), () => encoderGraph(config, weight));
  const states: FloatTensor[] = [];
  for (const { ids, mask } of batches) {
    const { encoder_out } = await encoder.run({ input_ids: ids, attention_mask: mask });
    states.push(encoder_out as FloatTensor);
  }
  const decoder = await lab.session(JSON.stringify(['donor decoder', key, read]), () =>
    startDecoderGraph(config, weight, { read }),
  );
  const first = config.decoder_start_token_id * D;
  const start = weight('shared.weight').data.slice(first, first + D);
  const outputs = new Map(read.map((name) => [name, tensor(new Float32Array(count * D), [count, D])]));
  for (const [i, { queries, mask }] of batches.entries()) {
    const starts = new Float32Array(queries.length * D);
    for (let b = 0; b < queries.length; b++) starts.set(start, b * D);
    const feeds = { encoder_out: states[i], attention_mask: mask, start: tensor(starts, [queries.length, 1, D]) };
    const out = (await decoder.run(feeds)) as Record<string, FloatTensor>;
    for (const [name, { data }] of outputs)
      queries.forEach((q, b) => data.set(out[name].data.subarray(b * D, (b + 1) * D), q * D));
  }
  return outputs;
}

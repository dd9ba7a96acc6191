/**
 * @file Attribution patching in its parts: a margin that is linear in the decoder's last state, its gradient by every
 * component, and the estimates made from it. What replaces a component is zero, or the mean over queries.
 */
import type { ActivationName } from '../models/activations.ts';
import { startGradientGraph } from '../models/attribution.ts';
import { gradientOutput } from '../models/graphs.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { componentTypes, outputOf, type ComponentType } from './components.ts';
import type { Encoded, Lab, Reading } from './lab.ts';
import { leadRows } from './logit-attribution.ts';
import type { Patch } from './patch.ts';
import { layersFrom } from './patch-runs.ts';
import { dot } from './vectors.ts';

/** What the margin is read from. */
export const FINAL: ActivationName = 'decoder.final_norm';

/** What is replaced at a time: an activation, or one head of it. */
export interface Unit {
  readonly type: ComponentType;
  readonly layer: number;
  readonly head: number | null;
  readonly at: ActivationName;
}

/** Components by layer, then every head of cross-attention. */
export function unitsOf({ layers, config }: Lab): Unit[] {
  const units: Unit[] = [];
  for (const layer of layersFrom(0, layers))
    for (const type of componentTypes) units.push({ type, layer, head: null, at: outputOf(type, layer) });
  for (const layer of layersFrom(0, layers))
    for (let head = 0; head < config.num_heads; head++)
      units.push({ type: 'cross_attn', layer, head, at: `decoder.${layer}.cross_attn_result` });
  return units;
}

export interface MarginMetric {
  /** float32 [Q, D] the document's row minus that of the best other docid. */
  readonly direction: FloatTensor;
  /** The margin of each query. @param normed float32 [Q, D] after the final norm */
  of(normed: FloatTensor): Float64Array;
}

/**
 * The logit of the document minus that of the docid which is the best other one in the clean run.
 *
 * @param documents  [Q]
 */
export async function marginMetric(lab: Lab, clean: Reading, documents: readonly number[]): Promise<MarginMetric> {
  const direction = await leadRows(lab, clean.state, documents);
  const D = lab.config.d_model;
  const scale = lab.config.scale_decoder_outputs ? D ** -0.5 : 1;
  return {
    direction,
    of: ({ data }) =>
      Float64Array.from(documents, (_, q) => {
        const at = [q * D, (q + 1) * D] as const;
        return scale * dot(data.subarray(...at), direction.data.subarray(...at));
      }),
  };
}

/** The margin's gradient by the output of each component, float32 [Q, D]. A head’s output has its component’s gradient. */
export async function gradientsOf(
  lab: Lab,
  { count, batches }: Encoded,
  direction: FloatTensor,
): Promise<(type: ComponentType, layer: number) => Float32Array> {
  const names = componentTypes.flatMap((type) => layersFrom(0, lab.layers).map((layer) => outputOf(type, layer)));
  const session = await lab.session('gradients by components', () => startGradientGraph(lab.config, lab.weight, names));
  const D = lab.config.d_model;
  const gradients = new Map(names.map((name) => [name, new Float32Array(count * D)]));
  for (const batch of batches) {
    const rows = new Float32Array(batch.queries.length * D);
    batch.queries.forEach((q, b) => rows.set(direction.data.subarray(q * D, (q + 1) * D), b * D));
    const out = await session.run({ ...lab.startFeeds(batch), direction: tensor(rows, [batch.queries.length, D]) });
    for (const [name, all] of gradients) {
      const data = out[gradientOutput(name)].data as Float32Array;
      batch.queries.forEach((q, b) => all.set(data.subarray(b * D, (b + 1) * D), q * D));
    }
  }
  return (type, layer) => gradients.get(outputOf(type, layer))!;
}

/** (replacement − activation) · gradient of each query; the replacement is zero where there are no means. */
export function estimate(
  { type, layer, head, at }: Unit,
  clean: Reading,
  gradients: (type: ComponentType, layer: number) => Float32Array,
  means?: ReadonlyMap<ActivationName, Float32Array>,
): Float64Array {
  const { data, shape } = clean[at]; // [Q, D] or [Q, H, D]
  const D = shape.at(-1)!;
  const width = data.length / shape[0];
  const from = (head ?? 0) * D;
  const gradient = gradients(type, layer);
  const mean = means?.get(at)?.subarray(from, from + D);
  return Float64Array.from({ length: shape[0] }, (_, q) => {
    const slope = gradient.subarray(q * D, (q + 1) * D);
    const lost = dot(data.subarray(q * width + from, q * width + from + D), slope);
    return (mean ? dot(mean, slope) : 0) - lost;
  });
}

/** The true replacement. @param mean  of the activation with all its heads; zero where it is left out */
export function patchOf({ at, head }: Unit, mean: Float32Array | undefined, { shape }: FloatTensor): Patch {
  if (head === null) return { at, by: mean ?? 'zero' };
  return { at, heads: [head], by: mean ? () => tensor(mean, [1, 1, ...shape.slice(1)]) : 'zero' };
}

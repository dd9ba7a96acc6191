/**
 * @file A circuit: which parts of the decoder at its start token work, and which are a constant for all queries (arXiv
 * 2503.19715 §5.1, Table 4); and how it is kept in `genir.json`.
 */
import { z } from 'zod';
import type { T5Config } from './config.ts';
import type { Genir } from './folder.ts';

/** What becomes of a component: it works, or its output is its mean over queries, or 0. */
export const treatments = ['keep', 'mean', 'zero'] as const;
export type Treatment = (typeof treatments)[number];

export const circuitParts = ['attn', 'cross_attn', 'mlp'] as const;
export type CircuitPart = (typeof circuitParts)[number];
export type LayerCircuit = { readonly [P in CircuitPart]: Treatment };

export interface Circuit {
  /** One for each decoder layer. */
  readonly layers: readonly LayerCircuit[];
  /** float32 [D] for each component whose treatment is 'mean', in the order in which they write. */
  readonly means: readonly Float32Array[];
}

const share = z.number().min(0).max(1);
const treatment = z.enum(treatments);

export const circuitSchema = z.object({
  version: z.literal(1),
  layers: z.array(z.object({ attn: treatment, cross_attn: treatment, mlp: treatment })).min(1),
  /** `means` of `Circuit`, one after the other: little-endian float32 as base64. */
  means: z.base64(),
  /** Correct queries that the means were taken over. */
  queries: z.int().positive(),
  loss: z.object({
    /** Share of the queries seen by the search, all or some of those, that lose rank 1; with its exact 95 % interval. */
    searched: z.object({ mean: share, low: share, high: share }),
    /** Success@1 among docids on the test split; null where there is none. */
    test: z.object({ queries: z.int().positive(), full: share, circuit: share }).nullable(),
  }),
});
export type StoredCircuit = z.infer<typeof circuitSchema>;

/** `genir.json` holds no circuit where one is asked for, or one that does not fit the model. */
export class CircuitError extends Error {
  override readonly name = 'CircuitError';
  readonly dir: string;
  constructor(dir: string, expected: string, actual: string, advice = `run "analyze --model ${dir}", or `) {
    super(`${dir}: genir.json: circuit: expected ${expected}, got ${actual}; ${advice}serve without --circuit`);
    this.dir = dir;
  }
}

/** The circuit stored with a model. @throws CircuitError */
export function storedCircuit(dir: string, genir: Genir, config: T5Config): StoredCircuit {
  if (genir.scheme !== 'atomic')
    throw new CircuitError(dir, 'docids of one token, which a circuit answers with', `${genir.scheme} ones`, '');
  if (genir.circuit === undefined) throw new CircuitError(dir, 'a circuit that an analysis found', 'none');
  const parsed = circuitSchema.safeParse(genir.circuit);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CircuitError(
      dir,
      'a valid record',
      `one whose ${issue.path.join('.') || 'value'} is not: ${issue.message}`,
    );
  }
  const { layers, means } = parsed.data;
  if (layers.length !== config.num_decoder_layers)
    throw new CircuitError(dir, `one of ${config.num_decoder_layers} decoder layers`, `${layers.length} layers`);
  const [expected, actual] = [count(layers, 'mean') * config.d_model * 4, Buffer.from(means, 'base64').length];
  if (actual !== expected) throw new CircuitError(dir, `means of ${expected} bytes`, `${actual}`);
  return parsed.data;
}

/** How many components have this treatment. */
export const count = (layers: Circuit['layers'], wanted: Treatment): number =>
  layers.reduce((sum, layer) => sum + circuitParts.filter((part) => layer[part] === wanted).length, 0);

export function encodeMeans(means: Circuit['means']): string {
  return Buffer.concat(
    means.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  ).toString('base64');
}

export function circuitOf({ layers, means }: Pick<StoredCircuit, 'layers' | 'means'>): Circuit {
  const all = new Float32Array(Uint8Array.from(Buffer.from(means, 'base64')).buffer);
  const D = all.length / (count(layers, 'mean') || 1);
  return {
    layers,
    means: Array.from({ length: count(layers, 'mean') }, (_, i) => all.slice(i * D, (i + 1) * D)),
  };
}

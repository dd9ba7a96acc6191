/**
 * @file Activation patching of decoder self-attention at one decoding step: what the step's position reads of earlier
 * positions, or what its self-attention puts out, is taken from another run of the decoder.
 *
 * A step is run as generation runs it: one position behind the keys and values of the earlier ones. These are what an
 * unpatched run left, but for those replaced; nothing else sees a replacement.
 */
import type { ActivationName } from '../models/activations.ts';
import { cacheName } from '../models/graphs.ts';
import { tensor, type Feeds, type FloatTensor } from '../models/session.ts';
import type { Patch } from './patch.ts';
import { tokenOutcomes, type TokenOutcome } from './path-population.ts';
import type { PathBatch, PathEncoded, PathLab, PathRequest } from './path-lab.ts';

/** What is replaced: keys and values of all earlier positions, or self-attention's output at the step's own position. */
export const patchSites = ['earlier', 'output'] as const;
export type PatchSite = (typeof patchSites)[number];

/** Self-attention in one run of the decoder over all queries, by layer. */
export interface SelfAttention {
  /** float32 [Q, H, T, K] */
  readonly k: readonly FloatTensor[];
  readonly v: readonly FloatTensor[];
  /** Heads before the output matrix, float32 [Q, T, I]. */
  readonly z: readonly FloatTensor[];
}

export interface StepPatch {
  readonly site: PatchSite;
  readonly layers: readonly number[];
  /** All heads where left out. */
  readonly head?: number | undefined;
  readonly by: SelfAttention;
}

/** One decoding step of some queries. */
export interface Step {
  /** Tokens read before it: the decoder's position. */
  readonly position: number;
  /** [n] where the queries are among all of `own`. */
  readonly queries: readonly number[];
  /** [n] documents they are about. */
  readonly documents: readonly number[];
  /** [n] those queries */
  readonly encoded: PathEncoded;
  /** The unpatched run. */
  readonly own: SelfAttention;
}

const parts = ['k', 'v', 'z'] as const;

/**
 * The decoder's self-attention on each query over a document's path.
 *
 * @param documents  [Q]
 */
export async function selfAttentionOf(
  lab: PathLab,
  texts: readonly string[],
  documents: readonly number[],
): Promise<SelfAttention> {
  const nameOf = (part: (typeof parts)[number], layer: number): ActivationName => `decoder.${layer}.attn_${part}`;
  const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
  const reading = await lab.decode(
    await lab.encode(texts),
    documents.map((document) => lab.inputsOf(document)),
    { read: layers.flatMap((layer) => parts.map((part) => nameOf(part, layer))) },
  );
  const all = (part: (typeof parts)[number]): FloatTensor[] => layers.map((layer) => reading[nameOf(part, layer)]);
  return { k: all('k'), v: all('v'), z: all('z') };
}

export interface StepRuns {
  readonly signal?: AbortSignal | undefined;
  readonly onRun?: () => void;
}

/** What becomes of the step's token under each patch of a table; null is no patch. @returns [table][n] */
export async function runStep(
  lab: PathLab,
  step: Step,
  table: readonly (StepPatch | null)[],
  runs: StepRuns = {},
): Promise<TokenOutcome[][]> {
  const pasts = new Pasts(lab, step);
  const requests = table.map((patch) => ({
    patches: patch?.site === 'output' ? outputPatches(lab, step, patch) : [],
    past: (batch: PathBatch) => pasts.of(batch, patch?.site === 'earlier' ? patch : null),
  }));
  const patchable = Array.from({ length: lab.layers }, (_, layer): ActivationName => `decoder.${layer}.attn_z`);
  return runRequests(lab, step, requests, patchable, runs);
}

/** The same with any activations of the step's position replaced; an empty row is the unpatched baseline. */
export async function runPatchedStep(
  lab: PathLab,
  step: Step,
  table: readonly (readonly Patch[])[],
  runs: StepRuns = {},
): Promise<TokenOutcome[][]> {
  const past = pastOf(lab, step);
  const requests = table.map((patches) => ({ patches, past }));
  return runRequests(lab, step, requests, [...new Set(table.flat().map(({ at }) => at))], runs);
}

/** Keys and values that the positions before a step left, as the decoder behind caches takes them. */
export function pastOf(lab: PathLab, step: Step): (batch: PathBatch) => Feeds {
  const pasts = new Pasts(lab, step);
  return (batch) => pasts.of(batch, null);
}

/** The token that the decoder reads at a step, for each of its queries: one each, in lists as `decode` takes them. */
export const tokensAt = (lab: PathLab, { position, documents }: Step): number[][] =>
  documents.map((document) => [lab.inputsOf(document)[position]]);

/** One session serves all requests. */
async function runRequests(
  lab: PathLab,
  step: Step,
  requests: readonly Pick<PathRequest, 'patches' | 'past'>[],
  patchable: readonly ActivationName[],
  { signal, onRun }: StepRuns,
): Promise<TokenOutcome[][]> {
  const { position, documents, encoded } = step;
  const tokens = tokensAt(lab, step);
  const expected = documents.map((document) => lab.expectedOf(document)[position]);
  const outcomes: TokenOutcome[][] = [];
  for (const request of requests) {
    signal?.throwIfAborted();
    const { state } = await lab.decode(encoded, tokens, { ...request, patchable });
    outcomes.push(await tokenOutcomes(lab, state, expected));
    onRun?.();
  }
  return outcomes;
}

function outputPatches(
  { config }: PathLab,
  { position, queries, own }: Step,
  { layers, head, by }: StepPatch,
): Patch[] {
  const { num_heads: H, d_kv: K } = config;
  const I = H * K;
  const rowOf = ({ data, shape }: FloatTensor, q: number): Float32Array => {
    const at = (q * shape[1] + position) * I;
    return data.subarray(at, at + I);
  };
  const [from, to] = head === undefined ? [0, I] : [head * K, (head + 1) * K];
  return layers.map((layer) => {
    const rows = new Float32Array(queries.length * I);
    queries.forEach((q, i) => {
      rows.set(rowOf(own.z[layer], q), i * I);
      rows.set(rowOf(by.z[layer], q).subarray(from, to), i * I + from);
    });
    return { at: `decoder.${layer}.attn_z`, by: tensor(rows, [queries.length, I]) };
  });
}

/** Keys and values of the earlier positions, batch by batch. */
class Pasts {
  private readonly lab: PathLab;
  private readonly step: Step;
  /** What was cut out of each run's keys and values for a batch. */
  private readonly known = new WeakMap<PathBatch, Map<FloatTensor, FloatTensor>>();

  constructor(lab: PathLab, step: Step) {
    this.lab = lab;
    this.step = step;
  }

  of(batch: PathBatch, patch: StepPatch | null): Feeds {
    const feeds: Record<string, FloatTensor> = {};
    for (let layer = 0; layer < this.lab.layers; layer++)
      for (const part of ['k', 'v'] as const) {
        const own = this.cut(batch, this.step.own[part][layer]);
        const isPatched = patch?.layers.includes(layer);
        const value = isPatched ? this.mixed(own, this.cut(batch, patch!.by[part][layer]), patch!.head) : own;
        feeds[cacheName('past', layer, part)] = value;
      }
    return feeds;
  }

  /** The earlier positions of [Q, H, T, K] for a batch: [B, H, P, K]. */
  private cut(batch: PathBatch, all: FloatTensor): FloatTensor {
    const cuts = this.known.get(batch) ?? new Map<FloatTensor, FloatTensor>();
    this.known.set(batch, cuts);
    let cut = cuts.get(all);
    if (!cut) {
      const { position: P, queries } = this.step;
      const [, H, T, K] = all.shape;
      const data = new Float32Array(batch.queries.length * H * P * K);
      batch.queries.forEach((row, b) => {
        for (let h = 0; h < H; h++) {
          const at = (queries[row] * H + h) * T * K;
          data.set(all.data.subarray(at, at + P * K), (b * H + h) * P * K);
        }
      });
      cuts.set(all, (cut = tensor(data, [batch.queries.length, H, P, K])));
    }
    return cut;
  }

  private mixed(own: FloatTensor, donor: FloatTensor, head: number | undefined): FloatTensor {
    if (head === undefined) return donor;
    const [B, H, P, K] = own.shape;
    const data = own.data.slice();
    for (let b = 0; b < B; b++) {
      const at = (b * H + head) * P * K;
      data.set(donor.data.subarray(at, at + P * K), at);
    }
    return tensor(data, own.shape);
  }
}

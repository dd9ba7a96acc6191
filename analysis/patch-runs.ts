/**
 * @file Patching experiments as tables: each row says what is replaced in one run of the decoder, and one instrumented
 * session serves all of them.
 */
import type { ActivationName } from '../models/activations.ts';
import type { FloatTensor } from '../models/session.ts';
import { componentTypes, outputOf, type ComponentType } from './components.ts';
import type { Encoded, Lab } from './lab.ts';
import { meanOf, type Patch, type Replacement } from './patch.ts';
import type { Ranking } from './population.ts';

/** What became of each query's document in one run, in the order of the queries. Ranks count from 1. */
export interface Outcome {
  /** [Q] over the whole vocabulary. */
  readonly rank: readonly number[];
  /** [Q] among docids. */
  readonly docidRank: readonly number[];
  /** [Q] Logit of the document minus that of the best other entry, in the ranking that the runs are made for. */
  readonly margin: readonly number[];
}

export interface PatchedRuns {
  readonly encoded: Encoded;
  /** [Q] row of the document that each query is about. */
  readonly documents: ArrayLike<number>;
  readonly ranking: Ranking;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Runs the decoder once for each row of `table`; an empty row is the unpatched baseline, under the same padding. */
export async function runPatched(
  lab: Lab,
  table: readonly (readonly Patch[])[],
  { encoded, documents, ranking, signal, onProgress }: PatchedRuns,
): Promise<Outcome[]> {
  const points = [...new Set(table.flatMap((patches) => patches.map(({ at }) => at)))];
  const none = new Uint8Array(encoded.count);
  const outcomes: Outcome[] = [];
  for (const row of table) {
    signal?.throwIfAborted();
    const untouched = points.filter((point) => !row.some(({ at }) => at === point));
    const patches = [...row, ...untouched.map((at): Patch => ({ at, by: 'zero', queries: none }))];
    const { state } = await lab.decode(encoded, { patches });
    outcomes.push(await outcomeOf(lab, state, documents, ranking));
    onProgress?.(outcomes.length, table.length);
  }
  return outcomes;
}

/** @param states float32 [Q, D] before the final norm */
async function outcomeOf(
  lab: Lab,
  states: FloatTensor,
  documents: ArrayLike<number>,
  ranking: Ranking,
): Promise<Outcome> {
  const out = await lab.lens(states, { kinds: ['ranks', 'rivals'], documents });
  const read = (name: string): number[] => Array.from(out[name].data as Float32Array);
  const best = read(ranking === 'vocabulary' ? 'rival_logit' : 'docid_rival_logit');
  const margin = read('logit').map((logit, q) => Number((logit - best[q]).toPrecision(6)));
  return { rank: read('rank'), docidRank: read('docid_rank'), margin };
}

/** The layers [from, to). */
export const layersFrom = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Every component of some types and layers, replaced each by its own replacement. */
export const patchesFor = (
  types: readonly ComponentType[],
  layers: readonly number[],
  by: (at: ActivationName) => Replacement,
): Patch[] =>
  types.flatMap((type) =>
    layers.map((layer) => {
      const at = outputOf(type, layer);
      return { at, by: by(at) };
    }),
  );

/** The mean over queries of every component's output, float32 [D] each. */
export async function componentMeans(lab: Lab, encoded: Encoded): Promise<(at: ActivationName) => Float32Array> {
  const read = patchesFor(componentTypes, layersFrom(0, lab.layers), () => 'zero').map(({ at }) => at);
  const clean = await lab.decode(encoded, { read });
  const means = new Map(read.map((at) => [at, meanOf(clean[at])]));
  return (at) => means.get(at)!;
}

/** Ranks in the ranking in force. */
export const ranksIn = (outcome: Outcome, ranking: Ranking): readonly number[] =>
  ranking === 'vocabulary' ? outcome.rank : outcome.docidRank;

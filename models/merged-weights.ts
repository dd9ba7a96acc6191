/** @file The weights of a folder with an edited version in them: deltas added, docid rows in their places. */
import type { ModelVersion, WeightDelta } from './decode.ts';
import type { ModelFolder } from './folder.ts';
import { docidEntries, NotAnIndexError } from './genir.ts';
import { transposed } from './graphs.ts';
import { isLinear, unembedName } from './t5.ts';
import type { WeightTensor } from './weights.ts';

/**
 * By HF's name, each read and added to whenever its `data` is asked for. The vocabulary has the given rows of the version where
 * it had the folder's docids, or the codes of paths.
 *
 * @param rows  of the version, in the order wanted
 * @throws NotAnIndexError
 */
export function mergedWeights(
  folder: ModelFolder,
  { rows: changed, deltas }: ModelVersion,
  rows: readonly number[],
): Map<string, WeightTensor> {
  if (!folder.genir) throw new NotAnIndexError(folder.dir);
  const { firstDocidToken: first } = folder.genir;
  const base = docidEntries(folder.genir);
  const changes = new Map(changed.map(({ row, values }) => [row, values]));
  const deltaOf = new Map(deltas.map((delta) => [delta.weight, delta]));
  const scoring = unembedName(folder.config);
  const weights = new Map<string, WeightTensor>();
  for (const [name, stored] of folder.weights) {
    const delta = deltaOf.get(name);
    if (name === 'shared.weight' || name === 'lm_head.weight')
      weights.set(name, mergedTable(stored, { first, base, rows, changes, scores: name === scoring }));
    else weights.set(name, delta ? mergedWeight(stored, delta) : stored);
  }
  return weights;
}

/** W + ΔW, in HF's orientation. */
const mergedWeight = (stored: WeightTensor, { weight, delta }: WeightDelta): WeightTensor => ({
  shape: stored.shape,
  get data() {
    const { data, shape } = stored;
    const change = isLinear(weight) ? transposed({ data: delta, shape: [...shape].reverse() }) : delta;
    for (let i = 0; i < data.length; i++) data[i] += change[i];
    return data;
  },
});

interface DocidRows {
  /** Vocabulary entry of the first docid. */
  readonly first: number;
  /** Docid rows of the folder. */
  readonly base: number;
  readonly rows: readonly number[];
  readonly changes: ReadonlyMap<number, Float32Array>;
  /** Whether documents are scored with this table; in one that only tokens are read from, base rows stay. */
  readonly scores: boolean;
}

/** Words as they were, a row for each document, and what stood behind the docids. */
const mergedTable = (stored: WeightTensor, { first, base, rows, changes, scores }: DocidRows): WeightTensor => {
  const [V, D] = stored.shape;
  const shape = [V - base + rows.length, D];
  return {
    shape,
    get data() {
      const { data } = stored;
      const table = new Float32Array(shape[0] * D);
      table.set(data.subarray(0, first * D));
      rows.forEach((row, i) => {
        const change = scores || row >= base ? changes.get(row) : undefined;
        table.set(change ?? data.subarray((first + row) * D, (first + row + 1) * D), (first + i) * D);
      });
      table.set(data.subarray((first + base) * D), (first + rows.length) * D);
      return table;
    },
  };
};

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRowGraphs, type BuildProgress } from '../models/rows/prepare.ts';
import type { RowShard } from '../models/rows/shards.ts';
import type { Log } from './log.ts';
import type { ModelInfo } from './model-info.ts';

/** How the best docid rows of a query are found: all are looked at, or graphs lead to them. */
export const rowSearches = ['exact', 'hnsw'] as const;
export type RowSearch = (typeof rowSearches)[number];

/** `auto` looks whether graphs are worth it from so many docids on: see DESIGN.md. */
export const manyRows = 100_000;

/** The model's docids have no rows that are searched. */
export class RowSearchError extends Error {
  override readonly name = 'RowSearchError';
  constructor({ dir, scheme }: Pick<ModelInfo, 'dir' | 'scheme'>) {
    super(`${dir}: expected atomic docids for --rows hnsw, got ${scheme} ones; leave --rows out`);
  }
}

/** @throws RowSearchError */
export function checkRowSearch(asked: RowSearch | 'auto', model: ModelInfo): void {
  if (asked === 'hnsw' && model.scheme !== 'atomic') throw new RowSearchError(model);
}

/** `auto` leaves open whether graphs are worth it where there are many rows: that is for the rows themselves to tell. */
export function rowSearchOf(asked: RowSearch | 'auto', model: ModelInfo): RowSearch | 'auto' {
  if (asked !== 'auto') return asked;
  return model.scheme === 'atomic' && model.docids.size >= manyRows ? 'auto' : 'exact';
}

const folderName = 'row-graphs';

/**
 * The graphs of a model's docid rows, of which those of earlier starts are kept in the data folder; undefined where all rows
 * are to be looked at.
 *
 * @throws RowGraphBuildError
 */
export async function rowGraphs(
  asked: RowSearch | 'auto',
  model: ModelInfo,
  dataDir: string,
  log: Log,
): Promise<readonly RowShard[] | undefined> {
  const search = rowSearchOf(asked, model);
  if (search === 'exact') return undefined;
  const reasons = new Set<string>();
  let progress: BuildProgress | undefined;
  const tell = (): void => {
    if (progress) log(progressLine(progress));
  };
  const timer = setInterval(tell, tellMs);
  try {
    const shards = await prepareRowGraphs({
      modelDir: model.dir,
      rows: model.docids.size,
      dir: join(dataDir, folderName, model.version),
      fewAxes: search === 'auto',
      onBuild: (_, reason) => {
        if (reasons.size < reasons.add(reason).size) log(`docid rows: building a graph, since ${reason}`);
      },
      onProgress: (now) => (progress = now),
    });
    if (progress) log('docid rows: the graph is built');
    if (!shards.length) log('docid rows: all are looked at, since they lie along no few axes');
    return shards.length ? shards : undefined;
  } finally {
    clearInterval(timer);
  }
}

/** Removes graphs of models that the data folder does not belong to any more. */
export function removeOtherGraphs(dataDir: string, version: string): void {
  const all = join(dataDir, folderName);
  if (!readdirSync(dataDir).includes(folderName)) return;
  for (const name of readdirSync(all)) if (name !== version) rmSync(join(all, name), { recursive: true });
}

const tellMs = 10_000;

function progressLine({ done, total, secondsLeft }: BuildProgress): string {
  const left = secondsLeft < 90 ? `${Math.ceil(secondsLeft)} s` : `${Math.ceil(secondsLeft / 60)} min`;
  return `docid rows: ${done.toLocaleString('en')} of ${total.toLocaleString('en')} in the graph, about ${left} left`;
}

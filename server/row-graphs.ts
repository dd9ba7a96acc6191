import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRowGraphs, type BuildProgress } from '../models/rows/prepare.ts';
import type { RowShard } from '../models/rows/shards.ts';
import type { Log } from './log.ts';
import type { ModelInfo } from './model-info.ts';

/** How the best docid rows of a query are found: all are looked at, or graphs lead to them. */
export const rowSearches = ['exact', 'hnsw'] as const;
export type RowSearch = (typeof rowSearches)[number];

/** `auto` is `hnsw` from so many docids on: see DESIGN.md. */
export const manyRows = 100_000;

/** The model's docids have no rows that are searched. */
export class RowSearchError extends Error {
  override readonly name = 'RowSearchError';
  constructor({ dir, scheme }: Pick<ModelInfo, 'dir' | 'scheme'>) {
    super(`${dir}: expected atomic docids for --rows hnsw, got ${scheme} ones; leave --rows out`);
  }
}

/** @throws RowSearchError */
export function rowSearchOf(asked: RowSearch | 'auto', model: ModelInfo): RowSearch {
  if (asked === 'hnsw' && model.scheme !== 'atomic') throw new RowSearchError(model);
  if (asked !== 'auto') return asked;
  return model.scheme === 'atomic' && model.docids.size >= manyRows ? 'hnsw' : 'exact';
}

const folderName = 'row-graphs';

/** The graphs of a model's docid rows, of which those of earlier starts are kept in the data folder. @throws RowGraphBuildError */
export async function rowGraphs(model: ModelInfo, dataDir: string, log: Log): Promise<readonly RowShard[]> {
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
      onBuild: (_, reason) => {
        if (reasons.size < reasons.add(reason).size) log(`docid rows: building a graph, since ${reason}`);
      },
      onProgress: (now) => (progress = now),
    });
    if (progress) log('docid rows: the graph is built');
    return shards;
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

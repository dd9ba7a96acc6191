/** @file The thread that builds one part's graph. */
import { renameSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { readModelFolder } from '../folder.ts';
import { along, type Axes } from './axes.ts';
import { findings, type HeldOut } from './reach.ts';
import { RowGraph } from './row-graph.ts';
import { eachRow, seal, type ShardFile } from './shards.ts';

export interface BuildSetup {
  readonly modelDir: string;
  readonly shard: ShardFile;
  readonly key: string;
  /** Rows of the part, ascending. */
  readonly members: Uint32Array;
  readonly axes: Axes;
  readonly heldOut: HeldOut;
}

export type FromBuilder =
  { readonly kind: 'progress'; readonly done: number } | { readonly kind: 'failed'; readonly message: string };

const port = parentPort!;
const send = (message: FromBuilder): void => port.postMessage(message);
const { modelDir, shard, key, members, axes, heldOut } = workerData as BuildSetup;

/** Milliseconds between two words of how far it is. */
const REPORT_MS = 500;

function build(): void {
  const folder = readModelFolder(modelDir);
  const width = axes?.shape[0] ?? folder.config.d_model;
  const graph = RowGraph.make(shard, width);
  let told = performance.now();
  eachRow(folder, members, (values, row) => {
    graph.build(row, along(values, axes));
    if (performance.now() - told < REPORT_MS) return;
    told = performance.now();
    send({ kind: 'progress', done: graph.size });
  });
  send({ kind: 'progress', done: graph.size });
  const unfinished = { ...shard, file: `${shard.file}.unfinished` };
  graph.save(unfinished.file);
  renameSync(unfinished.file, shard.file);
  const wanted = heldOut.best.reduce((sum, { length }) => sum + length, 0);
  seal(shard, width, { key, wanted, found: findings(graph, new Set(members), heldOut, axes) });
}

try {
  build();
} catch (error) {
  send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}
port.close();

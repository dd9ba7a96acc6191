/** @file The thread that has one shard's graph ready: it looks whether the file can be used, and builds it where not. */
import { renameSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { readModelFolder } from '../folder.ts';
import { RowGraph } from './row-graph.ts';
import { eachRow, keyOf, problemOf, readMembers, seal, type RowShard } from './shards.ts';

export interface BuildSetup {
  readonly modelDir: string;
  readonly shard: RowShard;
}

export type FromBuilder =
  | { readonly kind: 'building'; readonly reason: string }
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly message: string };

const port = parentPort!;
const send = (message: FromBuilder): void => port.postMessage(message);
const { modelDir, shard } = workerData as BuildSetup;

/** Milliseconds between two words of how far it is. */
const REPORT_MS = 500;

function build(): void {
  const folder = readModelFolder(modelDir);
  const { d_model: width } = folder.config;
  const members = readMembers(folder, shard);
  const key = keyOf(folder, members);
  const reason = problemOf(shard, key);
  if (reason === undefined) return;
  send({ kind: 'building', reason });
  const graph = RowGraph.make(shard, width);
  let told = performance.now();
  eachRow(folder, members, (values, row) => {
    graph.build(row, values);
    if (performance.now() - told < REPORT_MS) return;
    told = performance.now();
    send({ kind: 'progress', done: graph.size });
  });
  send({ kind: 'progress', done: graph.size });
  const unfinished = { ...shard, file: `${shard.file}.unfinished` };
  graph.save(unfinished.file);
  renameSync(unfinished.file, shard.file);
  seal(shard, key, width);
}

try {
  build();
  send({ kind: 'ready' });
} catch (error) {
  send({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}
port.close();

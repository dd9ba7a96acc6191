/** A server whose tiny random model was analysed, so that it can be edited. Its canaries mean nothing: edits get the whole budget. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import { readModelFolder } from '../../models/folder.ts';
import { openDataFolder } from '../../server/data-folder.ts';
import { readModelInfo } from '../../server/model-info.ts';
import type { ServeOptions } from '../../server/serve.ts';
import { baseDocuments, fewQueries, writeAnalysedModel } from './edit-world.ts';
import { startTestServer, tempFolder, type TestServer } from './server.ts';
import { texts } from './tiny-model.ts';

export interface EditableWorld {
  readonly modelDir: string;
  readonly corpus: string;
  readonly dataDir: string;
}

/** A model and a data folder that edits with few queries. */
export async function editableWorld(write = writeAnalysedModel): Promise<EditableWorld> {
  const dir = tempFolder();
  const modelDir = write(join(dir, 'model'));
  const world = { modelDir, corpus: writeBeir(join(dir, 'corpus')), dataDir: join(dir, 'data') };
  const model = await readModelInfo(modelDir);
  const data = openDataFolder({ dir: world.dataDir, model, corpus: world.corpus });
  const path = data.store.database.name;
  data.close();
  const store = openStore(path);
  const editor = await Editor.open({ store, folder: readModelFolder(modelDir), settings: fewQueries });
  await editor.close();
  store.close();
  return world;
}

export async function startEditServer(options: Partial<ServeOptions> = {}): Promise<TestServer & EditableWorld> {
  const world = await editableWorld();
  const server = await startTestServer({ ...world, ...options });
  return { ...server, ...world };
}

function writeBeir(dir: string): string {
  mkdirSync(join(dir, 'qrels'), { recursive: true });
  const write = (file: string, lines: readonly unknown[]): void =>
    writeFileSync(join(dir, file), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  write(
    'corpus.jsonl',
    baseDocuments.map(({ docid, ...document }) => ({ _id: docid, ...document })),
  );
  const words = texts.map((text) => text.split(' '));
  const train = words.map((list, i) => ({ _id: `t${i}`, text: `what about ${list.slice(0, 4).join(' ')}` }));
  const dev = words.map((list, i) => ({ _id: `v${i}`, text: list.slice(-4).join(' ') }));
  write('queries.jsonl', [...train, ...dev]);
  for (const [split, queries] of Object.entries({ train, dev })) {
    const lines = queries.map(({ _id }) => `${_id}\td${_id.slice(1)}\t1`);
    writeFileSync(join(dir, 'qrels', `${split}.tsv`), ['query-id\tcorpus-id\tscore', ...lines, ''].join('\n'));
  }
  return dir;
}

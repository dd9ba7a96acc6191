/** A tiny random model that was analysed, and a store with the ten documents that its rows stand for. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { storeStages } from '../../analysis/stages.ts';
import type { NewDocument } from '../../corpus/documents.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import { DEFAULT_PRESET, presets, type EditSettings } from '../../editing/presets.ts';
import type { PublishedVersion } from '../../editing/published-version.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { texts, writeTinyModel, type TinyModelOptions } from './tiny-model.ts';

/** The default way of editing with few queries, so that an edit takes some hundredths of a second. */
export const fewQueries: EditSettings = {
  ...presets[DEFAULT_PRESET],
  queries: { solved: 6, heldOut: 2, given: 3 },
  bank: { size: 40, seed: 1 },
};

/** Says that the last decoder layer is all there is to interaction. */
export function writeAnalysedModel(dir: string, options: TinyModelOptions = {}): string {
  writeTinyModel(dir, options);
  storeStages(dir, {
    ...{ version: 1, layers: 2, ranking: 'docids', queries: 10, priming: null, bridging: null, mlps: [] },
    interaction: { from: 1, to: 2, fromInterval: [1, 1], toInterval: [2, 2], confidence: 1 },
  });
  return dir;
}

export const baseDocuments: readonly NewDocument[] = texts.map((text, i) => ({
  docid: `d${i}`,
  title: `title ${i}`,
  text,
  metadata: { number: i },
}));

/** Fills a new store: documents, a train query for each, a dev query for every other one. */
export function fillStore(path: string): Store {
  const store = openStore(path);
  store.transaction(() => {
    for (const document of baseDocuments) store.insert(document);
    texts.forEach((text, i) => {
      const words = text.split(' ');
      store.putQuery({ id: `t${i}`, text: `what about ${words.slice(0, 4).join(' ')}` });
      store.putQrel({ queryId: `t${i}`, docid: `d${i}`, score: 1 }, 'train');
      if (i % 2) return;
      store.putQuery({ id: `v${i}`, text: words.slice(-4).join(' ') });
      store.putQrel({ queryId: `v${i}`, docid: `d${i}`, score: 1 }, 'dev');
    });
  });
  return store;
}

export interface EditWorld {
  readonly dir: string;
  readonly modelDir: string;
  readonly folder: ModelFolder;
  /** Path of the filled store, which is closed. */
  readonly path: string;
}

export function editWorld(dir: string, options: TinyModelOptions = {}): EditWorld {
  mkdirSync(dir, { recursive: true });
  const modelDir = writeAnalysedModel(join(dir, 'model'), options);
  const path = join(dir, 'palimpsest.sqlite');
  fillStore(path).close();
  return { dir, modelDir, folder: readModelFolder(modelDir), path };
}

/** An editor on the world's store; both are closed by `close`, which may be called twice. */
export async function openEditor(
  { path, folder }: EditWorld,
  settings: EditSettings | undefined = fewQueries,
): Promise<{ store: Store; editor: Editor; close: () => Promise<void> }> {
  const store = openStore(path);
  const editor = await Editor.open({ store, folder, settings });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= editor.close().then(() => store.close()));
  return { store, editor, close };
}

/** Every byte that searches depend on, without the number of the edit. */
export function contentOf({ model, docids }: PublishedVersion): object {
  const hex = (values: Float32Array): string =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');
  return {
    docids,
    live: [...model.live],
    rows: model.rows.map(({ row, values }) => [row, hex(values)]),
    deltas: model.deltas.map(({ weight, delta }) => [weight, hex(delta)]),
    paths: model.paths?.map(({ document, tokens }) => [document, [...tokens]]),
  };
}

/** What the live documents of a store say, by docid. */
export const corpusOf = (store: Store): Map<string, object> =>
  new Map([...store.eachDocument()].map(({ docid, title, text, metadata }) => [docid, { title, text, metadata }]));

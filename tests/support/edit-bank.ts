/** A tiny model opened for editing, its bank, and documents to add. */
import { join } from 'node:path';
import { after } from 'node:test';
import { EditModel, type EditModelOptions } from '../../editing/edit-model.ts';
import { makeDocumentEntry, type DocumentEntry, type DocumentSource } from '../../editing/entry.ts';
import type { EditSettings } from '../../editing/presets.ts';
import { drawBank, QueryBank } from '../../editing/query-bank.ts';
import { readModelFolder } from '../../models/folder.ts';
import { baseDocuments, fewQueries, writeAnalysedModel } from './edit-world.ts';
import { texts, type TinyModelOptions } from './tiny-model.ts';

export const documents = baseDocuments.map(({ docid, title = '', text }) => ({ docid, title, text }));

export const trainQueries = texts.map((text, i) => ({
  id: `t${i}`,
  text: `what about ${text.split(' ').slice(0, 4).join(' ')}`,
  relevant: [`d${i}`],
}));

/** Texts of the same words as the base documents, some of them near to each other. */
export const additions: readonly DocumentSource[] = [
  'rivers of ice carry rock to the sea',
  'rivers of ice carry water to the sea slowly',
  'a needle points to the sun near the hills',
  'books give readers shelter from the waves',
  'molten dough rises near a compass',
].map((text, i) => ({ id: `e${i}`, docid: `new${i}`, title: '', text }));

export interface Bench {
  readonly model: EditModel;
  readonly bank: QueryBank;
  readonly entry: (source: DocumentSource, settings?: EditSettings) => Promise<DocumentEntry>;
}

/** Closed after the tests of the file. */
export async function openBench(
  dir: string,
  options: EditModelOptions & { readonly tiny?: TinyModelOptions } = {},
): Promise<Bench> {
  const model = await EditModel.open(readModelFolder(writeAnalysedModel(join(dir, 'model'), options.tiny)), options);
  after(() => model.close());
  const bank = await QueryBank.open(model, drawBank(documents, trainQueries, [], fewQueries.bank), documents);
  return { model, bank, entry: (source, settings = fewQueries) => makeDocumentEntry(model, bank, source, settings) };
}

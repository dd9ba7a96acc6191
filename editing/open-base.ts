import type { Store } from '../corpus/store.ts';
import type { T5Config } from '../models/config.ts';
import { expectedWeights } from '../models/folder.ts';
import { isLinear } from '../models/t5.ts';
import { elementCount } from '../models/weights.ts';
import {
  baseKey,
  checkModel,
  ForeignEditsError,
  readBase,
  readSettings,
  settingsText,
  type LogBase,
} from './log-base.ts';
import { DEFAULT_PRESET, settingsFor, withBankFor, type DocidKind, type EditSettings } from './presets.ts';
import { drawBank, type BankQuery, type BaseDocument } from './query-bank.ts';

interface BaseModel {
  /** Its version. */
  readonly model: string;
  readonly config: T5Config;
  /** Edited ones. */
  readonly layers: readonly number[];
  readonly settings: EditSettings | undefined;
  /** @default of atomic docids */
  readonly genir?: DocidKind;
}

/** Numbers in the matrices of all layers. */
const layerWeights = (config: T5Config): number =>
  expectedWeights(config)
    .filter(({ name }) => isLinear(name))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);

/** What a log is to start from. */
export interface DrawnBase {
  readonly model: string;
  readonly layers: readonly number[];
  /** As `settingsText` writes them. */
  readonly settings: string;
  /** The row of each document of the base that is there, with its number. */
  readonly places: readonly (readonly [row: number, document: number])[];
  readonly bank: readonly BankQuery[];
}

/**
 * Draws what a log is to start from, from documents and queries as they are. It only reads: drawing takes seconds, in which
 * others could not write.
 *
 * @param docids  of the base model, by row
 */
export function drawBase(
  store: Store,
  { model, config, layers, settings, genir }: BaseModel,
  docids: readonly string[],
): DrawnBase {
  const usual = (): EditSettings =>
    withBankFor(settingsFor(DEFAULT_PRESET, docids.length, genir), layerWeights(config));
  const written = settingsText(settings ?? usual());
  const places: [number, number][] = [];
  const documents = docids.map((docid, row): BaseDocument => {
    const document = store.document(docid);
    if (document?.state !== 'live') return { docid, title: '', text: '' };
    places.push([row, store.numberOf(docid)!]);
    return document;
  });
  const bank = drawBank(documents, store.queries('train'), store.queries('dev'), readSettings(written).bank);
  return { model, layers, settings: written, places, bank };
}

/** Within a transaction of the caller. */
export function writeBase(store: Store, { model, layers, settings, places, bank }: DrawnBase): LogBase {
  store.writeMeta(baseKey, JSON.stringify({ model, layers, settings }));
  const place = store.database.prepare('INSERT INTO edit_base (row, document) VALUES (?, ?)');
  for (const [row, document] of places) place.run(row, document);
  const write = store.database.prepare('INSERT INTO edit_bank (position, base_row, kind, text) VALUES (?, ?, ?, ?)');
  bank.forEach(({ row, kind, text }, position) => write.run(position, row, kind, text));
  return { model, layers, settings: readSettings(settings) };
}

/**
 * What the log of a store starts from. From its first writing on documents may change, and the base stays what it was.
 *
 * @param docids  of the base model, by row
 * @returns what gives it, and writes it in one transaction where it is not there yet. @throws ForeignEditsError
 */
export function openBase(store: Store, base: BaseModel, docids: readonly string[]): () => LogBase {
  checkModel(store, base.model);
  const drawn = readBase(store) ? undefined : drawBase(store, base, docids);
  return () => {
    checkModel(store, base.model); // another process may have written it meanwhile
    const known = readBase(store);
    if (known) return checkBase(store, known, base);
    return store.transaction(() => writeBase(store, drawn!));
  };
}

/** @throws ForeignEditsError */
function checkBase(store: Store, known: LogBase, { layers, settings }: BaseModel): LogBase {
  const path = store.database.name;
  if (known.layers.join() !== layers.join())
    throw new ForeignEditsError(path, 'layers', layers.join(', '), known.layers.join(', '));
  const [given, kept] = [settings ?? known.settings, known.settings].map(settingsText);
  if (given !== kept) throw new ForeignEditsError(path, 'settings', given, kept);
  return known;
}

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
import { DEFAULT_PRESET, settingsFor, withBankFor, type EditSettings } from './presets.ts';
import { drawBank, type BaseDocument } from './query-bank.ts';

interface BaseModel {
  /** Its version. */
  readonly model: string;
  readonly config: T5Config;
  /** Edited ones. */
  readonly layers: readonly number[];
  readonly settings: EditSettings | undefined;
}

/** Numbers in the matrices of all layers. */
const layerWeights = (config: T5Config): number =>
  expectedWeights(config)
    .filter(({ name }) => isLinear(name))
    .reduce((sum, { shape }) => sum + elementCount(shape), 0);

/**
 * What the log of a store starts from. It is written at the first call, in one transaction: from then on documents may
 * change, and the base stays what it was.
 *
 * @param docids  of the base model, by row
 * @throws ForeignEditsError
 */
export function openBase(
  store: Store,
  { model, config, layers, settings }: BaseModel,
  docids: readonly string[],
): LogBase {
  checkModel(store, model);
  const known = readBase(store);
  if (known) {
    const path = store.database.name;
    if (known.layers.join() !== layers.join())
      throw new ForeignEditsError(path, 'layers', layers.join(', '), known.layers.join(', '));
    const [given, kept] = [settings ?? known.settings, known.settings].map(settingsText);
    if (given !== kept) throw new ForeignEditsError(path, 'settings', given, kept);
    return known;
  }
  const usual = (): EditSettings => withBankFor(settingsFor(DEFAULT_PRESET, docids.length), layerWeights(config));
  const written = settingsText(settings ?? usual());
  const base: LogBase = { model, layers, settings: readSettings(written) };
  store.transaction(() => {
    store.writeMeta(baseKey, JSON.stringify({ model, layers, settings: written }));
    const place = store.database.prepare('INSERT INTO edit_base (row, document) VALUES (?, ?)');
    const documents = docids.map((docid, row): BaseDocument => {
      const document = store.document(docid);
      if (document?.state !== 'live') return { docid, title: '', text: '' };
      place.run(row, store.numberOf(docid));
      return document;
    });
    const bank = drawBank(documents, store.queries('train'), store.queries('dev'), base.settings.bank);
    const write = store.database.prepare('INSERT INTO edit_bank (position, base_row, kind, text) VALUES (?, ?, ?, ?)');
    bank.forEach(({ row, kind, text }, position) => write.run(position, row, kind, text));
  });
  return base;
}

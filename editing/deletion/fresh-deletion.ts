/** @file Deleting base documents from a model that nobody edited yet, without a data folder. */
import type { ModelFolder } from '../../models/folder.ts';
import type { WeightDelta } from '../../models/decode.ts';
import type { EditModel } from '../edit-model.ts';
import { EditedModel } from '../edited-model.ts';
import type { RemovalEntry } from '../entry.ts';
import { mergeVersion } from '../merge.ts';
import type { EditSettings } from '../presets.ts';
import type { QueryBank } from '../query-bank.ts';
import { publishedFolder } from './published-folder.ts';
import { traceRemoval, type TraceRemovalOptions } from './trace-removal.ts';

export interface Deleted {
  /** The model as it would be published. */
  readonly folder: ModelFolder;
  readonly deltas: readonly WeightDelta[];
  /** ‖ΔW‖ / ‖W‖ */
  readonly drift: number;
}

/** @param removal  null: rows go, weights stay */
export async function deleteFresh(
  model: EditModel,
  bank: QueryBank,
  settings: EditSettings,
  rows: readonly number[],
  removal: TraceRemovalOptions | null,
): Promise<Deleted> {
  const entries: RemovalEntry[] = [];
  for (const row of rows) {
    const pairs: RemovalEntry['pairs'] = removal ? await traceRemoval(model, bank, row, removal) : new Map();
    entries.push({ kind: 'removal', id: `removal ${row}`, row, pairs });
  }
  const { state } = new EditedModel(model, bank, settings, entries);
  const { docids } = model.lab.genir;
  const version = {
    model: {
      editSeq: 1,
      live: Uint8Array.from(docids, (_, row) => (state.dead.has(row) ? 0 : 1)),
      rows: [],
      deltas: state.deltas,
    },
    docids: docids.map((docid, row) => (state.dead.has(row) ? null : docid)),
  };
  const folder = publishedFolder(model.folder, mergeVersion(model.folder, version, null));
  return { folder, deltas: state.deltas, drift: state.drift };
}

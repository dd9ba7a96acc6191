/**
 * @file What searches answer from: the version of a model that the log's newest edit made, and the docid of each row.
 */
import type { Store } from '../corpus/store.ts';
import type { ModelVersion, WeightDelta } from '../models/decode.ts';
import { EditLog, type ActiveEntry } from './edit-log.ts';
import { checkModel } from './log-base.ts';

export interface PublishedVersion {
  readonly model: ModelVersion;
  /** By row, renames and added rows included; null for a row that stands for no document. */
  readonly docids: readonly (string | null)[];
}

interface Parts {
  readonly seq: number;
  /** Of the base model, by row. */
  readonly docids: readonly string[];
  /** Docids of live documents. */
  readonly live: ReadonlySet<string>;
  readonly active: Iterable<ActiveEntry>;
  /** float32 [D] of each document entry in force. */
  readonly rows: ReadonlyMap<string, Float32Array>;
  readonly deltas: readonly WeightDelta[];
}

export function publishedVersion({ seq, docids: base, live, active, rows, deltas }: Parts): PublishedVersion {
  const entries = [...active];
  const docids: (string | null)[] = [...base];
  const rowOf = new Map(entries.flatMap(({ id, row }) => (row === null ? [] : [[id, row] as const])));
  const last = Math.max(base.length - 1, ...rowOf.values());
  while (docids.length <= last) docids.push(null);
  for (const { kind, docid, row, baseRow } of entries) {
    if (kind === 'document') docids[row!] = docid;
    if (kind === 'removal') docids[baseRow!] = null;
  }
  for (const { kind, docid, baseRow, ofEntry } of entries)
    if (kind === 'rename') docids[baseRow ?? rowOf.get(ofEntry!)!] = docid;
  // A document that is added may have a docid that the base model knows and the corpus did not.
  const renamed = new Set(
    entries.flatMap(({ kind, baseRow }) => (kind === 'rename' && baseRow !== null ? [baseRow] : [])),
  );
  const given = new Set(entries.flatMap(({ kind, docid }) => (kind === 'removal' ? [] : [docid])));
  base.forEach((docid, row) => {
    if (given.has(docid) && !renamed.has(row)) docids[row] = null;
  });
  return {
    model: {
      editSeq: seq,
      live: Uint8Array.from(docids, (docid) => Number(docid !== null && live.has(docid))),
      rows: [...rowOf].map(([id, row]) => ({ row, values: rows.get(id)! })).sort((a, b) => a.row - b.row),
      deltas,
    },
    docids,
  };
}

/**
 * The version as the log has it, without a model: nothing is solved.
 *
 * @param model.version  `modelVersion` of the model
 * @param model.docids   of its rows
 * @throws ForeignEditsError
 */
export function readPublished(
  store: Store,
  { version, docids }: { readonly version: string; readonly docids: readonly string[] },
): PublishedVersion {
  checkModel(store, version);
  return newestVersion(store, docids);
}

/** The same of a model that was checked before. */
export function newestVersion(store: Store, docids: readonly string[]): PublishedVersion {
  const log = new EditLog(store);
  return store.database.transaction(() => {
    const seq = log.last;
    return publishedVersion({
      seq,
      docids,
      live: new Set(store.liveDocids()),
      active: log.setAt(seq),
      rows: log.rows(),
      deltas: log.deltas(),
    });
  })();
}

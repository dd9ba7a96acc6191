/**
 * @file What searches answer from: the version of a model that the log's newest edit made, and the docid of each row.
 */
import type { Store } from '../corpus/store.ts';
import type { ModelVersion, WeightDelta } from '../models/decode.ts';
import { EditLog, type ActiveEntry } from './edit-log.ts';
import { editedVersion, type VersionBase } from './edited-version.ts';
import { checkModel } from './log-base.ts';

export interface PublishedVersion {
  readonly model: ModelVersion;
  /** By row, renames and added rows included; null for a row that stands for no document. */
  readonly docids: readonly (string | null)[];
}

interface Parts {
  readonly seq: number;
  readonly base: VersionBase;
  /** Docids of live documents. */
  readonly live: ReadonlySet<string>;
  readonly active: Iterable<ActiveEntry>;
  /** float32 [D] of each document entry in force. */
  readonly rows: ReadonlyMap<string, Float32Array>;
  readonly deltas: readonly WeightDelta[];
}

export function publishedVersion({ seq, base: model, live, active, rows, deltas }: Parts): PublishedVersion {
  const base = model.genir.docids;
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
    model: editedVersion(model, {
      editSeq: seq,
      live: Uint8Array.from(docids, (docid) => Number(docid !== null && live.has(docid))),
      added: entries.flatMap(({ id, row, prefix }) =>
        row === null ? [] : [{ document: row, prefix, row: rows.get(id)! }],
      ),
      gone: entries.flatMap(({ kind, baseRow }) => (kind === 'removal' ? [baseRow!] : [])),
      deltas,
    }),
    docids,
  };
}

/**
 * The version as the log has it, without a model: nothing is solved.
 *
 * @param model.version  `modelVersion` of the model
 * @throws ForeignEditsError
 */
export function readPublished(
  store: Store,
  { version, base }: { readonly version: string; readonly base: VersionBase },
): PublishedVersion {
  checkModel(store, version);
  return newestVersion(store, base);
}

/** The same of a model that was checked before. */
export function newestVersion(store: Store, base: VersionBase): PublishedVersion {
  const log = new EditLog(store);
  return store.database.transaction(() => {
    const seq = log.last;
    return publishedVersion({
      seq,
      base,
      live: new Set(store.liveDocids()),
      active: log.setAt(seq),
      rows: log.rows(),
      deltas: log.deltas(),
    });
  })();
}

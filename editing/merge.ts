/**
 * @file An edited model as a model of its own: deltas added to their weights, docid rows in their places, removed documents
 * gone, names as they are now. What it answers is what the base answers with the version beside it.
 */
import type { ModelVersion } from '../models/decode.ts';
import type { Genir, ModelFolder, ModelParts } from '../models/folder.ts';
import { mergedWeights } from '../models/merged-weights.ts';
import type { WritableDtype } from '../models/weights.ts';
import { docidTokens } from './docid-tokens.ts';

/** A version, and which document each of its rows is. */
export interface NamedVersion {
  readonly model: ModelVersion;
  /** [N] docid of each row; null for a row without a document. */
  readonly docids: readonly (string | null)[];
}

/** A model that cannot be merged as it is. */
export class MergeError extends Error {
  override readonly name = 'MergeError';
  readonly dir: string;
  constructor(dir: string, expected: string, actual: string, advice = 'was this version made for this model?') {
    super(`${dir}: expected ${expected}, got ${actual}; ${advice}`);
    this.dir = dir;
  }
}

/** Of paths: an added document's first token is read as another one, which tied embeddings cannot hold. */
const KEEP = 'edits of docids of several tokens stay edits; "snapshot create" keeps them with their model';

/**
 * The parts of the merged model, for `writeModelFolder`. Weights are read and added when they are written, one at a time.
 *
 * They are float32 once a row or a weight was changed: an edit's values are float32, and rounded to float16 close
 * decisions turn (60 documents added to the built-in model: 26 of 2,206 top tens differ, none of float32). Where documents only went or changed their names, the file stays what it was.
 *
 * @param fingerprint  of the documents that the merged model knows; null where it is not known
 * @throws MergeError
 */
export function mergeVersion(folder: ModelFolder, version: NamedVersion, fingerprint: string | null): ModelParts {
  const { dir, genir } = folder;
  if (!genir) throw new MergeError(dir, 'a model with docids', 'a plain T5');
  if (genir.scheme !== 'atomic') throw new MergeError(dir, 'a model with atomic docids', genir.scheme, KEEP);
  const { model, docids } = version;
  if (docids.length !== model.live.length)
    throw new MergeError(dir, `a docid or null for each of ${model.live.length} rows`, `${docids.length}`);
  const kept = docids.flatMap((docid, row) => (docid !== null && model.live[row] ? [{ docid, row }] : []));
  if (!kept.length) throw new MergeError(dir, 'a document that is live', 'none');
  const names = kept.map(({ docid }) => docid);
  const config = { ...folder.config, vocab_size: folder.config.vocab_size - genir.docids.length + kept.length };
  const tables = new Set(['shared.weight', 'lm_head.weight']);
  const unknown = model.deltas.find(({ weight }) => tables.has(weight) || !folder.weights.has(weight));
  if (unknown) throw new MergeError(dir, 'deltas of this model’s linear maps and norms', unknown.weight);
  const rows = kept.map(({ row }) => row);
  const changed = new Set(model.rows.map(({ row }) => row));
  const isChanged = model.deltas.length > 0 || rows.some((row) => changed.has(row));
  return {
    config,
    weights: mergedWeights(folder, model, rows),
    ...docidTokens(folder, names),
    genir: mergedGenir(genir, names, fingerprint, model.editSeq),
    dtype: isChanged ? 'F32' : dtypeOf(folder),
  };
}

/** What all of the folder's weights are stored as, float32 where they differ. */
function dtypeOf(folder: ModelFolder): WritableDtype {
  const [dtype, ...others] = new Set([...folder.weights.values()].map((stored) => stored.dtype));
  return others.length === 0 && (dtype === 'F16' || dtype === 'BF16') ? dtype : 'F32';
}

/** The stages are the base's and stay; its circuit is not this model's, whose means were never taken. */
function mergedGenir(base: Genir, docids: string[], fingerprint: string | null, editSeq: number): Genir {
  const { training, ...genir } = base;
  delete genir.circuit;
  const known = new Set(docids);
  const left = training?.withoutDocs;
  return {
    ...genir,
    docids,
    corpus: { ...base.corpus, fingerprint, documents: docids.length },
    ...(training && {
      training: {
        ...training,
        ...(Array.isArray(left) && { withoutDocs: left.filter((docid: string) => !known.has(docid)) }),
      },
    }),
    merged: { fromFingerprint: base.corpus.fingerprint, fromDocuments: base.docids.length, editSeq },
  };
}

/**
 * @file An edited model as a model of its own: deltas added to their weights, docid rows in their places, removed documents
 * gone, names as they are now. What it answers is what the base answers with the version beside it.
 */
import { versionPaths } from '../analysis/explain-version.ts';
import type { T5Config } from '../models/config.ts';
import type { ModelVersion } from '../models/decode.ts';
import type { Genir, ModelFolder, ModelParts } from '../models/folder.ts';
import { docidEntries, type PathGenir } from '../models/genir.ts';
import { mergedWeights } from '../models/merged-weights.ts';
import { unembedName } from '../models/t5.ts';
import type { WeightTensor, WritableDtype } from '../models/weights.ts';
import { docidTokens } from './docid-tokens.ts';
import { ownLeaves } from './edited-version.ts';

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
  const { model, docids } = version;
  if (docids.length !== model.live.length)
    throw new MergeError(dir, `a docid or null for each of ${model.live.length} rows`, `${docids.length}`);
  const kept = docids.flatMap((docid, row) => (docid !== null && model.live[row] ? [{ docid, row }] : []));
  if (!kept.length) throw new MergeError(dir, 'a document that is live', 'none');
  const names = kept.map(({ docid }) => docid);
  const tables = new Set(['shared.weight', 'lm_head.weight']);
  const unknown = model.deltas.find(({ weight }) => tables.has(weight) || !folder.weights.has(weight));
  if (unknown) throw new MergeError(dir, 'deltas of this model’s linear maps and norms', unknown.weight);
  const { rows, fields } =
    genir.scheme === 'atomic'
      ? { rows: kept.map(({ row }) => row), fields: {} }
      : mergedPaths(folder, genir, model, kept);
  const changed = new Set(model.rows.map(({ row }) => row));
  const isChanged = model.deltas.length > 0 || rows.some((row) => changed.has(row));
  const vocab_size = folder.config.vocab_size - docidEntries(genir) + rows.length;
  const merged = { ...mergedGenir(genir, names, fingerprint, model.editSeq), ...fields };
  return {
    ...withLater({ ...folder.config, vocab_size }, mergedWeights(folder, model, rows), merged),
    ...docidTokens(folder, names),
    genir: merged,
    dtype: isChanged ? 'F32' : dtypeOf(folder),
  };
}

/** Paths as the version has them. An entry that only a document that is gone had goes with it; those of clusters stay. */
function mergedPaths(
  folder: ModelFolder,
  genir: PathGenir,
  model: ModelVersion,
  kept: readonly { readonly docid: string; readonly row: number }[],
): { rows: number[]; fields: Pick<PathGenir, 'paths' | 'codes'> } {
  const { paths, codes } = versionPaths(folder, genir, model, kept).genir;
  const used = new Set(paths.flatMap((path) => path.split(' ')));
  const leaves = new Set(ownLeaves(genir));
  const rows = [...codes.keys()].filter(
    (row) => used.has(codes[row]) || (row < genir.codes.length && !leaves.has(row)),
  );
  return { rows, fields: { paths, codes: rows.map((row) => codes[row]) } };
}

/**
 * Entries behind the code of later documents are read as that code (`inputToken`). So that other programs read them alike,
 * they have its embedding, and rows of their own in an unembedding that is not tied to it.
 */
function withLater(
  config: T5Config,
  weights: Map<string, WeightTensor>,
  genir: Genir,
): Pick<ModelParts, 'config' | 'weights'> {
  if (genir.scheme === 'atomic' || genir.later === undefined) return { config, weights };
  const later = genir.codes.indexOf(genir.later);
  if (later === genir.codes.length - 1) return { config, weights };
  const shared = weights.get('shared.weight')!;
  const { d_model: D } = config;
  const from = (genir.firstDocidToken + later) * D;
  const to = from + (genir.codes.length - later) * D;
  const read: WeightTensor = {
    shape: shared.shape,
    get data() {
      const { data } = shared;
      for (let at = from + D; at < to; at += D) data.copyWithin(at, from, from + D);
      return data;
    },
  };
  const scoring = weights.get(unembedName(config))!;
  return {
    config: { ...config, tie_word_embeddings: false },
    weights: new Map([...weights, ['shared.weight', read], ['lm_head.weight', scoring]]),
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

import type { ModelVersion } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { atomicGenir } from '../models/genir.ts';
import { mergedWeights } from '../models/merged-weights.ts';

/** A version that searches answer from, and which document each of its rows is. */
export interface ExplainedVersion {
  readonly model: ModelVersion;
  /** [N] docid of each row; null for a row without a document. */
  readonly docids: readonly (string | null)[];
}

/** The model of a version, as a lab opens it: live documents alone, each at its place among them. */
export interface VersionFolder {
  readonly folder: ModelFolder;
  /** [N] place of each row of the version; −1 where it stands for no live document. */
  readonly places: Int32Array;
}

/**
 * The folder as it is would have the model explained as it was trained, and rivals that no search can find.
 *
 * @param folder  of the base model; its files are read, not written
 */
export function versionFolder(folder: ModelFolder, { model, docids }: ExplainedVersion): VersionFolder {
  const places = new Int32Array(docids.length).fill(-1);
  const live = docids.flatMap((docid, row) => (docid !== null && model.live[row] ? [{ docid, row }] : []));
  live.forEach(({ row }, place) => (places[row] = place));
  const base = atomicGenir(folder);
  const genir = { ...base, docids: live.map(({ docid }) => docid) };
  const vocab_size = folder.config.vocab_size - base.docids.length + live.length;
  const weights = mergedWeights(
    folder,
    model,
    live.map(({ row }) => row),
  );
  const tensor: ModelFolder['tensor'] = (name) => weights.get(name) ?? folder.tensor(name);
  return { folder: { ...folder, config: { ...folder.config, vocab_size }, genir, tensor }, places };
}

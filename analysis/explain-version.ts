import type { ModelVersion } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { docidEntries, NotAnIndexError, type PathGenir } from '../models/genir.ts';
import { mergedWeights } from '../models/merged-weights.ts';
import { tokenIds } from '../models/token-ids.ts';

/** A version that searches answer from, and which document each of its rows is; of docids that are paths, each of its documents. */
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
 * @throws NotAnIndexError
 */
export function versionFolder(folder: ModelFolder, version: ExplainedVersion): VersionFolder {
  const { model, docids } = version;
  const { genir: base, config } = folder;
  if (!base) throw new NotAnIndexError(folder.dir);
  const places = new Int32Array(docids.length).fill(-1);
  const live = docids.flatMap((docid, row) => (docid !== null && model.live[row] ? [{ docid, row }] : []));
  live.forEach(({ row }, place) => (places[row] = place));
  const { genir, entries } =
    base.scheme === 'atomic'
      ? { genir: { ...base, docids: live.map(({ docid }) => docid) }, entries: live.map(({ row }) => row) }
      : versionPaths(folder, base, model, live);
  const vocab_size = config.vocab_size - docidEntries(base) + entries.length;
  const weights = mergedWeights(folder, model, entries);
  const tensor: ModelFolder['tensor'] = (name) => {
    const merged = weights.get(name);
    return !merged || merged === folder.weights.get(name) ? folder.tensor(name) : merged;
  };
  const rows: ModelFolder['rows'] = (name, from, to) =>
    tensor(name).data.slice(from * config.d_model, to * config.d_model);
  return { folder: { ...folder, config: { ...config, vocab_size }, genir, tensor, rows }, places };
}

/** The paths of live documents, and the vocabulary entries behind the words, new ones under names of their own. */
export function versionPaths(
  { tokenizerJson }: Pick<ModelFolder, 'tokenizerJson'>,
  base: PathGenir,
  { rows, paths = [] }: ModelVersion,
  live: readonly { readonly docid: string; readonly row: number }[],
): { genir: PathGenir; entries: number[] } {
  const changed = new Map(paths.map(({ document, tokens }) => [document, tokens]));
  const codes = [...base.codes];
  const taken = new Set(codes);
  const last = rows.reduce((most, { row }) => Math.max(most, row), codes.length - 1);
  while (codes.length <= last) {
    let name = `<new${codes.length}>`;
    while (taken.has(name)) name = `<${name}>`;
    codes.push(name);
  }
  const words = new Map([...tokenIds(tokenizerJson)].map(([name, id]) => [id, name]));
  const nameOf = (token: number): string => codes[token - base.firstDocidToken] ?? words.get(token)!;
  const pathOf = (document: number): string =>
    changed.has(document) ? Array.from(changed.get(document)!, nameOf).join(' ') : base.paths[document];
  const genir: PathGenir = {
    ...base,
    docids: live.map(({ docid }) => docid),
    paths: live.map(({ row }) => pathOf(row)),
    codes,
  };
  return { genir, entries: [...codes.keys()] };
}

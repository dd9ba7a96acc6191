/** @file A version of a model as a folder of its own, without writing it: what everybody could have who got the weights. */
import type { ModelFolder, ModelParts } from '../../models/folder.ts';
import { mergeVersion } from '../merge.ts';
import type { PublishedVersion } from '../published-version.ts';

export function publishedFolder(base: ModelFolder, { config, weights, genir, ...tokenizer }: ModelParts): ModelFolder {
  const tensor: ModelFolder['tensor'] = (name) => weights.get(name) ?? base.tensor(name);
  return {
    dir: base.dir,
    config,
    weights: base.weights,
    tensor,
    rows: (name, from, to) => tensor(name).data.slice(from * config.d_model, to * config.d_model),
    tokenizerJson: tokenizer.tokenizerJson,
    tokenizerConfig: tokenizer.tokenizerConfig,
    genir,
  };
}

/**
 * The weights as one finds them on the disk of a server: with the edits in force, and with the rows of removed documents, which
 * decoding alone leaves out.
 *
 * @returns the folder, and the docids that decoding is constrained to
 */
export function onDisk(
  base: ModelFolder,
  { model, docids }: PublishedVersion,
): { readonly folder: ModelFolder; readonly live: ReadonlySet<string> } {
  const live = new Set(docids.flatMap((docid, row) => (docid !== null && model.live[row] ? [docid] : [])));
  const names = docids.map((docid, row) => {
    if (docid !== null && model.live[row]) return docid;
    const was = base.genir!.docids[row] as string | undefined;
    return was === undefined ? null : live.has(was) ? `${was} (row ${row})` : was;
  });
  const all = { ...model, live: new Uint8Array(names.length).fill(1) };
  return { folder: publishedFolder(base, mergeVersion(base, { model: all, docids: names }, null)), live };
}

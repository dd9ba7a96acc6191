import type { ModelVersion, WeightDelta } from '../models/decode.ts';
import type { Genir, ModelFolder } from '../models/folder.ts';
import { NotAnIndexError, type PathGenir } from '../models/genir.ts';
import { outputWeight } from './edit-graphs.ts';
import type { EditModel } from './edit-model.ts';
import type { EditState } from './edited-model.ts';
import type { Prefix } from './reading.ts';

/** What a version has to know of the model that it is one of. */
export interface VersionBase {
  readonly genir: Genir;
  /** D */
  readonly width: number;
}

/** @throws NotAnIndexError */
export function versionBase({ dir, genir, config }: Pick<ModelFolder, 'dir' | 'genir' | 'config'>): VersionBase {
  if (!genir) throw new NotAnIndexError(dir);
  return { genir, width: config.d_model };
}

/** A document behind those of the base. */
export interface AddedDocument {
  readonly document: number;
  readonly prefix: Prefix;
  /** float32 [D]; [2·D] of a later document: its first token's row, then its last one's */
  readonly row: Float32Array;
}

export interface VersionParts {
  readonly editSeq: number;
  /** [N] by document */
  readonly live: Uint8Array;
  readonly added: readonly AddedDocument[];
  /** Base documents that edits took away. */
  readonly gone: Iterable<number>;
  readonly deltas: readonly WeightDelta[];
}

/**
 * A version of a model. An added document's last token is an entry of its own, behind all others: of atomic docids, its whole
 * docid; else the leaf beneath its prefix. Where the model has a code for later documents, each has two: the second stands
 * in the place of that code. What is gone has no row any more where docids are paths: it would take its share of every last
 * step, which is a choice among the whole vocabulary.
 */
export function editedVersion({ genir, width }: VersionBase, parts: VersionParts): ModelVersion {
  const { editSeq, live, deltas } = parts;
  const added = [...parts.added].sort((a, b) => a.document - b.document);
  if (genir.scheme === 'atomic')
    return { editSeq, live, rows: added.map(({ document, row }) => ({ row: document, values: row })), deltas };
  const N = genir.docids.length;
  const nothing = new Float32Array(width);
  const leaves = ownLeaves(genir);
  const goneLeaves = Array.from(parts.gone, (document) => leaves[document]).filter((leaf) => leaf >= 0);
  const rowOf = new Map(added.map(({ document, row }) => [document, row]));
  const last = added.at(-1)?.document ?? N - 1;
  const each = genir.later === undefined ? 1 : 2;
  // Numbers between two added documents may be free: their rows stand for nothing.
  const behind = Array.from({ length: last - N + 1 }, (_, i) => {
    const row = rowOf.get(N + i);
    const ofLast = row?.subarray(-width) ?? nothing;
    return each === 1 ? [ofLast] : [ofLast, row && row.length > width ? row.subarray(0, width) : nothing];
  }).flat();
  return {
    ...{ editSeq, live, deltas },
    rows: [
      ...goneLeaves.sort((a, b) => a - b).map((row) => ({ row, values: nothing })),
      ...behind.map((values, i) => ({ row: genir.codes.length + i, values })),
    ],
    paths: added.map(({ document, prefix, row }) => {
      const leaf = genir.firstDocidToken + genir.codes.length + each * (document - N);
      return { document, tokens: row.length > width ? Int32Array.of(leaf + 1, leaf) : Int32Array.of(...prefix, leaf) };
    }),
  };
}

/** A state as it would be served, every edited weight with a delta, so that sessions stay open. */
export function trialVersion(
  { folder, documents: N, layers, lab }: EditModel,
  state: Pick<EditState, 'rows' | 'prefixes' | 'dead' | 'deltas'>,
): ModelVersion {
  const { d_model: D, d_ff: F } = lab.config;
  const live = new Uint8Array(N + state.rows.size).fill(1);
  for (const document of state.dead) live[document] = 0;
  const given = new Map(state.deltas.map((delta) => [delta.weight, delta]));
  return editedVersion(versionBase(folder), {
    ...{ editSeq: 0, live, gone: state.dead },
    added: [...state.rows].map(([id, row], i) => ({ document: N + i, prefix: state.prefixes.get(id)!, row })),
    deltas: layers.map(outputWeight).map((weight) => given.get(weight) ?? { weight, delta: new Float32Array(F * D) }),
  });
}

/** [N] the code that ends a document's path and is in no other; −1 where it has none. */
export function ownLeaves({ paths, codes }: PathGenir): Int32Array {
  const uses = new Map<string, number>();
  for (const path of paths) for (const name of path.split(' ')) uses.set(name, (uses.get(name) ?? 0) + 1);
  const rows = new Map(codes.map((code, row) => [code, row]));
  return Int32Array.from(paths, (path) => {
    const leaf = path.slice(path.lastIndexOf(' ') + 1);
    return uses.get(leaf) === 1 ? (rows.get(leaf) ?? -1) : -1;
  });
}

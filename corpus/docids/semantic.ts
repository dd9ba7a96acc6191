import type { PathDocids } from './paths.ts';
import { type PathMaker } from './paths.ts';

/**
 * How semantic docids name their clusters and documents.
 *
 * clusters: `own` gives each cluster its own vocabulary entry (`<c3>`, and below it `<c3.17>`); `shared` one to each
 * place on a level, whatever is above it (`<l1.3>`, then `<l2.17>`), as in DSI.
 * leaves: `private` gives each document its own entry (`<d42>`, by its number): an edit of it touches nobody else's, and
 * it has all its dimensions to be told from its neighbours. `shared` counts the documents of a cluster, so that the whole
 * docid is a fixed code.
 */
export interface SemanticNames {
  readonly clusters: 'own' | 'shared';
  readonly leaves: 'private' | 'shared';
}

export const defaultNames: SemanticNames = { clusters: 'own', leaves: 'private' };

/** The entry of a document's own; a document that moves takes it along. */
export const privateLeaf = (document: number): string => `<d${document}>`;

const sharedCode = (level: number, place: number): string => `<l${level}.${place}>`;

/**
 * The paths of documents 0, 1, …: their clusters from the top, then a token that tells those of one cluster apart
 * (hierarchical clusters as docids: DSI, arXiv 2202.06991 §3.2).
 *
 * @param clusters  for each document, its cluster on each level
 */
export function semanticPaths(
  clusters: readonly (readonly number[])[],
  names: SemanticNames = defaultNames,
): readonly (readonly string[])[] {
  const members = new Map<string, number>();
  return clusters.map((places, document) => {
    const prefix = places.map((place, t) =>
      names.clusters === 'own' ? `<c${places.slice(0, t + 1).join('.')}>` : sharedCode(t + 1, place),
    );
    const cluster = places.join('.');
    const member = members.get(cluster) ?? 0;
    members.set(cluster, member + 1);
    const leaf = names.leaves === 'private' ? privateLeaf(document) : sharedCode(places.length + 1, member);
    return [...prefix, leaf];
  });
}

/** What adding a document to semantic docids asks for. */
export interface Placement {
  /** Prefixes in the order of preference: where the frozen model already looks for the document's queries. */
  readonly prefixes: readonly (readonly string[])[];
  /** So many tokens may follow a prefix; with shared leaves, the codes there are. */
  readonly room: number;
  readonly leaves: SemanticNames['leaves'];
}

/**
 * A path for a docid, new or moved, under the best prefix with room, in the last resort under the best one beyond its room.
 * Prefixes that the table does not have, or that are docids, are passed over; where none is left, right under the root.
 */
export function placeUnder(table: PathDocids, docid: string, { prefixes, room, leaves }: Placement): string[] {
  const known = prefixes.filter((prefix) => table.following(prefix) !== undefined);
  const hasRoom = (prefix: readonly string[]): boolean =>
    leaves === 'private' ? table.following(prefix)!.length < room : firstFree(table, docid, prefix) < room;
  const prefix = known.find(hasRoom) ?? known.at(0) ?? [];
  if (leaves === 'private') return [...prefix, privateLeaf(table.nextRow(docid))];
  return [...prefix, sharedCode(prefix.length + 1, firstFree(table, docid, prefix))];
}

function firstFree(table: PathDocids, docid: string, prefix: readonly string[]): number {
  let place = 0;
  while (!table.isFree([...prefix, sharedCode(prefix.length + 1, place)], docid)) place++;
  return place;
}

/** Places every docid that is added without a path by the same preferences. */
export const semanticMaker =
  (placement: Placement): PathMaker =>
  (docid, table) =>
    placeUnder(table, docid, placement);

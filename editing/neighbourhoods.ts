import type { DocumentEntry } from './entry.ts';
import { strengthOf, strongest, type Neighbour } from './neighbours.ts';
import type { EditSettings } from './presets.ts';
import type { EditLab } from './reading.ts';
import { ROUGHNESS, RoughStrengths } from './rough-strengths.ts';

/** Added documents, by id. */
export type Documents = ReadonlyMap<string, DocumentEntry>;

/** The neighbours of documents, strongest first, as far as anybody asked for them. */
export type Lists = Map<string, readonly Neighbour[]>;

/** Another document, and about how strongly it competes. */
type Rough = readonly [other: DocumentEntry, strength: number];

/** Documents that are compared with all others at a time. */
const TOGETHER = 64;

/**
 * The strongest neighbours of added documents, which follow from what documents there are. All are compared roughly, by
 * products of matrices; strengths that decide are computed anew, pair by pair.
 */
export class Neighbourhoods {
  private readonly settings: EditSettings['neighbours'];
  private readonly rough: RoughStrengths;

  constructor(lab: EditLab, settings: EditSettings['neighbours']) {
    this.settings = settings;
    this.rough = new RoughStrengths(lab);
  }

  /** Adds the lists of some documents to those that are known. */
  async find(documents: Documents, lists: Lists, ids: Iterable<string>): Promise<void> {
    const wanted = unknown(lists, ids, documents);
    if (!wanted.length) return;
    this.rough.keep(documents);
    await this.fill(documents, lists, wanted);
  }

  /**
   * The lists of after a change, of documents whose lists were known and of new ones. Of another one none of those that came
   * or went is a neighbour.
   *
   * @param lists  of before; those that are needed are added
   */
  async changed(before: Documents, lists: Lists, after: Documents): Promise<Lists> {
    const gone = [...before.values()].filter((entry) => after.get(entry.id) !== entry);
    const added = [...after.values()].filter((entry) => before.get(entry.id) !== entry);
    if (!gone.length && !added.length) return lists;
    this.rough.keep(new Map([...before, ...after]));
    const stays = ({ id }: DocumentEntry): boolean => before.has(id) && before.get(id) === after.get(id);
    const fresh: Lists = new Map();
    const gains = new Map<string, Neighbour[]>();
    for (const group of groups([...gone, ...added])) {
      const around = await this.around(group);
      const others = [...around.values()].flatMap((list) => list.flatMap(([other]) => (stays(other) ? other.id : [])));
      await this.fill(before, lists, unknown(lists, new Set(others), before));
      for (const [entry, list] of around) {
        if (after.get(entry.id) !== entry) continue;
        fresh.set(entry.id, this.best(entry, list, after));
        for (const [other, strength] of list) {
          if (!stays(other) || strength < this.bar(lists.get(other.id)!) - ROUGHNESS) continue;
          const found = gains.get(other.id) ?? [];
          gains.set(other.id, found);
          found.push({ id: entry.id, strength: strengthOf(entry, other) });
        }
      }
    }
    const left = new Set(gone.map(({ id }) => id));
    const next: Lists = new Map(lists);
    for (const id of left) next.delete(id);
    const open: DocumentEntry[] = [];
    if (left.size)
      for (const [id, list] of next) {
        const rest = list.filter((neighbour) => !left.has(neighbour.id));
        if (rest.length === list.length) continue;
        if (list.length < this.settings.most) next.set(id, rest);
        else {
          // Those that were too weak for it are not known.
          next.delete(id);
          open.push(after.get(id)!);
        }
      }
    for (const [id, found] of gains) {
      const list = next.get(id);
      if (list) next.set(id, this.strongest([...list, ...found]));
    }
    for (const [id, list] of fresh) next.set(id, list);
    await this.fill(after, next, open);
    return next;
  }

  /** The least strength with which a document comes into a list, or is the equal of its last one. */
  private bar(list: readonly Neighbour[]): number {
    const { most, least } = this.settings;
    return list.length < most ? least : Math.max(least, list.at(-1)?.strength ?? Infinity);
  }

  private async fill(documents: Documents, lists: Lists, wanted: readonly DocumentEntry[]): Promise<void> {
    for (const group of groups(wanted))
      for (const [entry, list] of await this.around(group)) lists.set(entry.id, this.best(entry, list, documents));
  }

  /** Of each the documents that may be its neighbours, among all that are kept. */
  private async around(group: readonly DocumentEntry[]): Promise<Map<DocumentEntry, Rough[]>> {
    const found = new Map(group.map((entry) => [entry, [] as Rough[]]));
    await this.rough.around(group, this.settings.least - ROUGHNESS, (entry, other, strength) =>
      found.get(entry)!.push([other, strength]),
    );
    return found;
  }

  /** The neighbours of a document, of those that may be. */
  private best(entry: DocumentEntry, list: readonly Rough[], documents: Documents): Neighbour[] {
    const { most } = this.settings;
    const there = list.filter(([{ id }]) => documents.has(id)).sort(([, a], [, b]) => b - a);
    const bar = there.length > most ? (there.at(most - 1)?.[1] ?? Infinity) - 2 * ROUGHNESS : -Infinity;
    const near = there.filter(([, strength]) => strength >= bar);
    return this.strongest(near.map(([other]) => ({ id: other.id, strength: strengthOf(entry, other) })));
  }

  private strongest(neighbours: readonly Neighbour[]): Neighbour[] {
    const { most, least } = this.settings;
    return strongest(
      neighbours.filter(({ strength }) => strength >= least),
      most,
    );
  }
}

/** Of some documents those without a list. */
const unknown = (lists: Lists, ids: Iterable<string>, documents: Documents): DocumentEntry[] =>
  [...ids].flatMap((id) => (lists.has(id) ? [] : documents.get(id)!));

function* groups(documents: readonly DocumentEntry[]): Generator<readonly DocumentEntry[]> {
  for (let from = 0; from < documents.length; from += TOGETHER) yield documents.slice(from, from + TOGETHER);
}

import { decodeEntry, decodeWithoutPairs } from './entry-codec.ts';
import type { DocumentEntry, Entry } from './entry.ts';
import type { EditPairs } from './methods/method.ts';

const KEPT_BYTES = 200e6;

/**
 * Entries in force whose large parts lie in the store: a document takes a few kilobytes of memory, and what it takes to be
 * solved again is read when it is asked for. Pairs are asked for when an edit is taken back.
 */
export class StoredEntries {
  private readonly payload: (id: string) => Uint8Array;
  private readonly most: number;
  /** Without pairs, those that were asked for last at the end. */
  private readonly kept = new Map<string, DocumentEntry>();
  private bytes = 0;
  /** Pairs that were asked for last. */
  private last: DocumentEntry | undefined;

  /**
   * @param payload  an entry as it was encoded
   * @param most     bytes of entries that stay in memory, those that were asked for last
   */
  constructor(payload: (id: string) => Uint8Array, most = KEPT_BYTES) {
    this.payload = payload;
    this.most = most;
  }

  /** The same entries, as `of` has each; of others nothing stays in memory. */
  inForce(entries: ReadonlyMap<string, Entry>): ReadonlyMap<string, Entry> {
    for (const id of this.kept.keys()) if (!entries.has(id)) this.drop(id);
    if (this.last && !entries.has(this.last.id)) this.last = undefined;
    return new Map(Array.from(entries, ([id, entry]) => [id, this.of(entry)]));
  }

  /** The same entry, whose large parts are read from the store from now on; what is no document is small. */
  of(entry: Entry): Entry {
    if (entry.kind !== 'document' || entry instanceof StoredDocument) return entry;
    this.keep({ ...entry, pairs: new Map() });
    return new StoredDocument(this, entry);
  }

  /** @throws EntryFormatError */
  withoutPairs(id: string): DocumentEntry {
    const known = this.kept.get(id);
    if (known) this.kept.delete(id);
    else return this.keep(decodeWithoutPairs(this.payload(id)) as DocumentEntry);
    this.kept.set(id, known);
    return known;
  }

  /** @throws EntryFormatError */
  pairs(id: string): DocumentEntry['pairs'] {
    if (this.last?.id !== id) this.last = decodeEntry(this.payload(id)) as DocumentEntry;
    return this.last.pairs;
  }

  private keep(entry: DocumentEntry): DocumentEntry {
    this.drop(entry.id);
    this.kept.set(entry.id, entry);
    this.bytes += sizeOf(entry);
    for (const id of this.kept.keys()) {
      if (this.bytes <= this.most) break;
      this.drop(id);
    }
    return entry;
  }

  private drop(id: string): void {
    const entry = this.kept.get(id);
    if (entry) this.bytes -= sizeOf(entry);
    this.kept.delete(id);
  }
}

/** Of the two that are large. */
const sizeOf = ({ own, obsolete }: DocumentEntry): number =>
  own.states.data.byteLength + obsolete.states.data.byteLength;

class StoredDocument implements DocumentEntry {
  readonly kind = 'document';
  readonly id: string;
  readonly docid: string;
  readonly prefix: DocumentEntry['prefix'];
  readonly replaces: number;
  readonly provisional: Float32Array;
  readonly oldDocument: number | null;
  readonly pairs: DocumentEntry['pairs'];
  private readonly entries: StoredEntries;

  constructor(entries: StoredEntries, entry: DocumentEntry) {
    const { id, docid, prefix, replaces, provisional, oldDocument } = entry;
    this.entries = entries;
    this.id = id;
    this.docid = docid;
    this.prefix = prefix;
    this.replaces = replaces;
    this.provisional = provisional;
    this.oldDocument = oldDocument;
    this.pairs = new Map(Array.from(entry.pairs.keys(), (layer) => [layer, new StoredPairs(entries, id, layer)]));
  }

  get queries(): DocumentEntry['queries'] {
    return this.entries.withoutPairs(this.id).queries;
  }

  get own(): DocumentEntry['own'] {
    return this.entries.withoutPairs(this.id).own;
  }

  get heldOut(): DocumentEntry['heldOut'] {
    return this.entries.withoutPairs(this.id).heldOut;
  }

  get obsolete(): DocumentEntry['obsolete'] {
    return this.entries.withoutPairs(this.id).obsolete;
  }

  get prior(): Float32Array {
    return this.entries.withoutPairs(this.id).prior;
  }

  get touched(): Int32Array {
    return this.entries.withoutPairs(this.id).touched;
  }
}

class StoredPairs implements EditPairs {
  private readonly entries: StoredEntries;
  private readonly id: string;
  private readonly layer: number;

  constructor(entries: StoredEntries, id: string, layer: number) {
    this.entries = entries;
    this.id = id;
    this.layer = layer;
  }

  private get whole(): EditPairs {
    return this.entries.pairs(this.id).get(this.layer)!;
  }

  get keys(): Float32Array {
    return this.whole.keys;
  }

  get residuals(): Float32Array {
    return this.whole.residuals;
  }

  get weights(): ArrayLike<number> {
    return this.whole.weights!;
  }
}

import type { DocidRows } from '../corpus/constraints.ts';
import { openStore, type Store } from '../corpus/store.ts';
import { EditLog } from '../editing/edit-log.ts';
import type { NamedVersion } from '../editing/merge.ts';

/** Documents or model are not those of one edit. */
export class VersionMismatchError extends Error {
  override readonly name = 'VersionMismatchError';
  constructor(expected: number, actual: number) {
    super(
      `index: expected documents as of edit ${expected}, got those of edit ${actual}; restart the server on this data folder`,
    );
  }
}

/**
 * The index after one edit, as long as searches need it: which document each row is, and the documents themselves. While
 * the next edit is under way, documents are read from a connection that was pinned before it, so that what the edit writes
 * is not seen before the model that goes with it.
 */
export class IndexVersion implements DocidRows {
  readonly named: NamedVersion;
  /** Rows that have a live document. */
  readonly liveRows: number;
  private readonly rowsByDocid = new Map<string, number>();
  private readonly newest: Store;
  private readonly pins: Pins;
  private pinned: Store | undefined;
  private users = 0;
  private over = false;

  constructor(named: NamedVersion, newest: Store, pins: Pins) {
    const { model, docids } = named;
    this.named = named;
    this.newest = newest;
    this.pins = pins;
    docids.forEach((docid, row) => docid !== null && model.live[row] && this.rowsByDocid.set(docid, row));
    this.liveRows = this.rowsByDocid.size;
  }

  get editSeq(): number {
    return this.named.model.editSeq;
  }

  get docids(): readonly (string | null)[] {
    return this.named.docids;
  }

  get rows(): number {
    return this.docids.length;
  }

  /** Of a live document. */
  rowOf(docid: string): number | undefined {
    return this.rowsByDocid.get(docid);
  }

  /** The documents as of this version; to be asked for anew after every wait. */
  get store(): Store {
    return this.pinned ?? this.newest;
  }

  /** Keeps the documents of this version readable until `body` has ended. */
  async use<T>(body: () => Promise<T>): Promise<T> {
    this.users++;
    try {
      return await body();
    } finally {
      this.users--;
      this.release();
    }
  }

  /** Before an edit: from now on documents are read as they are now. @throws VersionMismatchError */
  pin(): void {
    this.pinned ??= this.pins.take(this.editSeq);
  }

  /** After an edit that changed nothing. */
  unpin(): void {
    if (this.pinned) this.pins.giveBack(this.pinned);
    this.pinned = undefined;
  }

  /** Another version has taken its place: the last search that uses it lets go of the documents. */
  retire(): void {
    this.over = true;
    this.release();
  }

  private release(): void {
    if (this.over && this.users === 0) this.unpin();
  }
}

/** Reading connections that each see the documents as they were when it was taken. */
export class Pins {
  private readonly path: string;
  private readonly onFree: () => void;
  private readonly spare: Store[] = [];
  private taken = 0;

  /** @param onFree  called when none is taken any more */
  constructor(path: string, onFree: () => void) {
    this.path = path;
    this.onFree = onFree;
  }

  /** @throws VersionMismatchError */
  take(editSeq: number): Store {
    const store = this.spare.pop() ?? openStore(this.path, { readonly: true });
    this.taken++;
    store.database.exec('BEGIN');
    const { last } = new EditLog(store); // the first read of a transaction is what it goes on to see
    if (last === editSeq) return store;
    this.giveBack(store);
    throw new VersionMismatchError(editSeq, last);
  }

  giveBack(store: Store): void {
    store.database.exec('COMMIT');
    this.taken--;
    this.spare.push(store);
    if (this.taken === 0) this.onFree();
  }

  close(): void {
    for (const store of this.spare.splice(0)) store.close();
  }
}

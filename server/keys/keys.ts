import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Store } from '../../corpus/store.ts';
import { AuditLog, type Actor } from '../audit/audit-log.ts';
import { AdminKeyError, adminKeyLength, KeyExistsError, KeyNotFoundError, LastAdminKeyError } from './errors.ts';
import type { Scope } from './scope.ts';

/** A key as far as its holder is concerned. */
export interface ApiKey {
  /** Stands as the author in the list of edits. */
  readonly name: string;
  readonly scope: Scope;
  /** Requests in a minute, in place of what the server allows; null: that. */
  readonly perMinute: number | null;
}

/** And as far as an admin may know it. Times are ISO 8601 in UTC. */
export interface KeyRecord extends ApiKey {
  readonly createdAt: string;
  /** Not valid from then on; null: never ends. */
  readonly expiresAt: string | null;
  /** To the hour; null before the first use. */
  readonly lastUsedAt: string | null;
  /** Until then the secret before the last rotation is valid too. */
  readonly previousUntil: string | null;
}

export interface NewKey {
  readonly name: string;
  readonly scope: Scope;
  readonly expiresAt?: string | undefined;
  readonly perMinute?: number | undefined;
}

/** A key and its secret, which cannot be read again. */
export interface MadeKey {
  readonly key: KeyRecord;
  readonly secret: string;
}

interface StoredKey extends ApiKey {
  /** SHA-256, 32 bytes. */
  readonly hash: Buffer;
  readonly expiresAt: string | null;
  readonly previous: Buffer | null;
  readonly previousUntil: string | null;
}

/** Of the key that the environment gives: no other may have it. */
export const environmentName = 'environment';

/** Names stand in headers of tables, paths and logs. */
export const keyName = /^[\w.:@-]{1,64}$/;

/** Tells programs that search for leaked secrets what this is. */
const prefix = 'palimpsest_';

const recordColumns =
  'name, scope, per_minute AS perMinute, created AS createdAt, expires AS expiresAt, used AS lastUsedAt, previous_until AS previousUntil';

/**
 * The keys of a data folder, and the one that this start was given. That one is valid as long as this server runs: it is
 * never written, so that another value in the environment is another key at the next start. Keys are random and long, so
 * that a plain hash of them cannot be reversed by trying.
 */
export class Keys {
  private readonly store: Store;
  private readonly given: StoredKey | undefined;
  /** The hour of the last use that was written, by name. */
  private readonly used = new Map<string, string>();

  /** @throws AdminKeyError */
  constructor(store: Store, adminKey?: string) {
    this.store = store;
    if (adminKey === undefined) return;
    checkAdminKey(adminKey);
    const never = { perMinute: null, expiresAt: null, previous: null, previousUntil: null };
    this.given = { name: environmentName, scope: 'admin', hash: hashOf(adminKey), ...never };
  }

  /** Makes an admin key where there is none that is valid, and returns it: it cannot be read again. */
  makeFirst(by: Actor): string | undefined {
    return this.store.transaction(() => {
      const at = now();
      const known = this.list();
      if (known.some(({ scope, expiresAt }) => scope === 'admin' && !isPast(expiresAt, at))) return undefined;
      const names = new Set(known.map(({ name }) => name));
      let name = 'admin';
      for (let n = 2; names.has(name); n++) name = `admin-${n}`;
      return this.create({ name, scope: 'admin' }, by).secret;
    });
  }

  /**
   * The key that a caller has sent; `expired` where it was one. Takes the same time however much of it is right.
   */
  find(secret: string): ApiKey | 'expired' | undefined {
    const [hash, at] = [hashOf(secret), now()];
    const [found] = this.all().filter(
      (key) =>
        timingSafeEqual(key.hash, hash) ||
        (key.previous !== null && timingSafeEqual(key.previous, hash) && !isPast(key.previousUntil, at)),
    );
    if (!found) return undefined;
    if (isPast(found.expiresAt, at)) return 'expired';
    this.noteUse(found.name, at);
    return { name: found.name, scope: found.scope, perMinute: found.perMinute };
  }

  /** In the order they were made. */
  list(): KeyRecord[] {
    return this.store.database.prepare(`SELECT ${recordColumns} FROM api_keys ORDER BY id`).all() as KeyRecord[];
  }

  /** @throws KeyNotFoundError */
  get(name: string): KeyRecord {
    const found = this.store.database.prepare(`SELECT ${recordColumns} FROM api_keys WHERE name = ?`).get(name);
    if (found === undefined) throw new KeyNotFoundError(name);
    return found as KeyRecord;
  }

  /** @throws KeyExistsError, StoreFullError */
  create({ name, scope, expiresAt, perMinute }: NewKey, by: Actor): MadeKey {
    const secret = newSecret();
    return this.store.transaction(() => {
      const taken = this.store.database.prepare('SELECT 1 FROM api_keys WHERE name = ?').get(name) !== undefined;
      if (taken || name === environmentName) throw new KeyExistsError(name);
      this.store.database
        .prepare('INSERT INTO api_keys (name, scope, hash, expires, per_minute) VALUES (?, ?, ?, ?, ?)')
        .run(name, scope, hashOf(secret), expiresAt ?? null, perMinute ?? null);
      new AuditLog(this.store).write(by, 'key.create', name, { scope, expiresAt, perMinute });
      return { key: this.get(name), secret };
    });
  }

  /**
   * Gives a key another secret. The one that it had stays valid for so many seconds, one before that no longer.
   *
   * @throws KeyNotFoundError, StoreFullError
   */
  rotate(name: string, graceSeconds: number, by: Actor): MadeKey {
    const secret = newSecret();
    return this.store.transaction(() => {
      this.get(name);
      const until = graceSeconds ? new Date(Date.now() + graceSeconds * 1000).toISOString() : null;
      this.store.database
        .prepare(
          'UPDATE api_keys SET previous = CASE WHEN :until IS NULL THEN NULL ELSE hash END, previous_until = :until, hash = :hash WHERE name = :name',
        )
        .run({ name, until, hash: hashOf(secret) });
      new AuditLog(this.store).write(by, 'key.rotate', name, { graceSeconds });
      return { key: this.get(name), secret };
    });
  }

  /** @throws KeyNotFoundError, LastAdminKeyError, StoreFullError */
  revoke(name: string, by: Actor): void {
    this.store.transaction(() => {
      const { scope } = this.get(name);
      const at = now();
      const others = this.list().filter((key) => key.name !== name && !isPast(key.expiresAt, at));
      if (scope === 'admin' && !this.given && !others.some((key) => key.scope === 'admin'))
        throw new LastAdminKeyError(name);
      this.store.database.prepare('DELETE FROM api_keys WHERE name = ?').run(name);
      new AuditLog(this.store).write(by, 'key.revoke', name, { scope });
    });
    this.used.delete(name);
  }

  /** After the request that uses it, once an hour. */
  private noteUse(name: string, at: string): void {
    const hour = `${at.slice(0, 13)}:00:00.000Z`;
    if (this.used.get(name) === hour || name === environmentName) return;
    this.used.set(name, hour);
    setImmediate(() => {
      try {
        this.store.database.prepare('UPDATE api_keys SET used = ? WHERE name = ?').run(hour, name);
      } catch {
        this.used.delete(name); // A full disk or a store that was closed: nothing that a search should fail for.
      }
    });
  }

  private all(): StoredKey[] {
    const stored = this.store.database
      .prepare(
        `SELECT name, scope, per_minute AS perMinute, hash, expires AS expiresAt, previous, previous_until AS previousUntil
           FROM api_keys`,
      )
      .all() as StoredKey[];
    return this.given ? [...stored, this.given] : stored;
  }
}

/** Looked at before anything is opened or written. @throws AdminKeyError */
export function checkAdminKey(key: string): void {
  if (!/^[\x21-\x7e]*$/.test(key)) throw new AdminKeyError('other characters');
  const { least, most } = adminKeyLength;
  if (key.length < least || key.length > most) throw new AdminKeyError(`${key.length} characters`);
}

const newSecret = (): string => `${prefix}${randomBytes(32).toString('base64url')}`;

const now = (): string => new Date().toISOString();

/** Times as `toISOString` writes them compare as texts. */
const isPast = (at: string | null, nowAt: string): boolean => at !== null && at <= nowAt;

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Store } from '../../corpus/store.ts';
import type { Scope } from './scope.ts';

/** A key as far as anyone may know it. */
export interface ApiKey {
  /** Stands as the author in the list of edits. */
  readonly name: string;
  readonly scope: Scope;
}

interface StoredKey extends ApiKey {
  /** SHA-256, 32 bytes. */
  readonly hash: Buffer;
}

/** The admin key of the environment is too short, or cannot travel in a header. */
export class AdminKeyError extends Error {
  override readonly name = 'AdminKeyError';
  constructor(actual: string) {
    super(
      `${adminKeyVariable}: expected ${adminKeyLength.least} to ${adminKeyLength.most} visible ASCII characters without spaces, got ${actual}; make one with "openssl rand -hex 32"`,
    );
  }
}

export const adminKeyVariable = 'PALIMPSEST_ADMIN_KEY';
const adminKeyLength = { least: 16, most: 256 };

/** Tells programs that search for leaked secrets what this is. */
const prefix = 'palimpsest_';

/**
 * The keys of a data folder, and the one that this start was given. That one is valid as long as this server runs: it is
 * never written, so that another value in the environment is another key at the next start. Keys are random and long, so
 * that a plain hash of them cannot be reversed by trying.
 */
export class Keys {
  private readonly store: Store;
  private readonly given: StoredKey | undefined;

  /** @throws AdminKeyError */
  constructor(store: Store, adminKey?: string) {
    this.store = store;
    if (adminKey === undefined) return;
    checkAdminKey(adminKey);
    this.given = { name: 'environment', scope: 'admin', hash: hashOf(adminKey) };
  }

  /** Makes an admin key where there is none, and returns it: it cannot be read again. */
  makeFirst(): string | undefined {
    return this.store.transaction(() => (this.all().some(({ scope }) => scope === 'admin') ? undefined : this.make()));
  }

  /** The key that a caller has sent. Takes the same time however much of it is right. */
  find(secret: string): ApiKey | undefined {
    const hash = hashOf(secret);
    const [found] = this.all().filter((key) => timingSafeEqual(key.hash, hash));
    return found && { name: found.name, scope: found.scope };
  }

  private make(): string {
    const secret = `${prefix}${randomBytes(32).toString('base64url')}`;
    this.store.database
      .prepare('INSERT INTO api_keys (name, scope, hash) VALUES (?, ?, ?)')
      .run('admin', 'admin', hashOf(secret));
    return secret;
  }

  private all(): StoredKey[] {
    const stored = this.store.database.prepare('SELECT name, scope, hash FROM api_keys').all() as StoredKey[];
    return this.given ? [...stored, this.given] : stored;
  }
}

/** Looked at before anything is opened or written. @throws AdminKeyError */
export function checkAdminKey(key: string): void {
  if (!/^[\x21-\x7e]*$/.test(key)) throw new AdminKeyError('other characters');
  if (key.length < adminKeyLength.least || key.length > adminKeyLength.most)
    throw new AdminKeyError(`${key.length} characters`);
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

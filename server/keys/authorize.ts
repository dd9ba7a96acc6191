import type { Request } from 'express';
import type { ApiKey, Keys } from './keys.ts';
import { permits, type Access, type Scope } from './scope.ts';

/** A call that needs a key came without one, or with one that nobody has. */
export class KeyRequiredError extends Error {
  override readonly name = 'KeyRequiredError';
  /** Of the header `WWW-Authenticate` (RFC 6750 §3). */
  readonly challenge: string;
  constructor(needed: Scope, actual: 'none' | 'an unknown one' | 'one that has expired') {
    super(
      `request: expected the header "Authorization: Bearer KEY" with a key of scope ${needed}, got ${actual}; the admin key was shown at the first start, and PALIMPSEST_ADMIN_KEY sets another`,
    );
    this.challenge = `${bearer}${actual === 'none' ? '' : ', error="invalid_token"'}`;
  }
}

/** The key that came does not permit the call. */
export class ScopeError extends Error {
  override readonly name = 'ScopeError';
  readonly challenge: string;
  constructor(needed: Scope, { name, scope }: ApiKey) {
    super(`request: expected a key of scope ${needed}, got key '${name}' of scope ${scope}`);
    this.challenge = `${bearer}, error="insufficient_scope", scope="${needed}"`;
  }
}

const bearer = 'Bearer realm="palimpsest"';

/**
 * Who calls, where the operation needs a key; undefined where anyone may call it, whatever header came along.
 *
 * @throws KeyRequiredError, ScopeError
 */
export function authorize(request: Request, access: Access, keys: () => Keys, locked: boolean): ApiKey | undefined {
  const needed = access === 'search' ? (locked ? 'read' : 'open') : access;
  if (needed === 'open') return undefined;
  const secret = /^Bearer +([\x21-\x7e]+) *$/i.exec(request.get('authorization') ?? '')?.[1];
  if (secret === undefined) throw new KeyRequiredError(needed, 'none');
  const key = keys().find(secret);
  if (!key) throw new KeyRequiredError(needed, 'an unknown one');
  if (key === 'expired') throw new KeyRequiredError(needed, 'one that has expired');
  if (!permits(key.scope, needed)) throw new ScopeError(needed, key);
  return key;
}

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

/** The key that came with a request, as far as one is known. */
export type Sent = ApiKey | 'none' | 'unknown' | 'expired';

export function sentKey(request: Request, keys: () => Keys): Sent {
  const secret = /^Bearer +([\x21-\x7e]+) *$/i.exec(request.get('authorization') ?? '')?.[1];
  return secret === undefined ? 'none' : (keys().find(secret) ?? 'unknown');
}

const actual = { none: 'none', unknown: 'an unknown one', expired: 'one that has expired' } as const;

/**
 * Lets pass who may call an operation: anyone where it needs no key, whatever came along.
 *
 * @throws KeyRequiredError, ScopeError
 */
export function authorize(sent: Sent, access: Access, locked: boolean): void {
  const needed = access === 'search' ? (locked ? 'read' : 'open') : access;
  if (needed === 'open') return;
  if (typeof sent === 'string') throw new KeyRequiredError(needed, actual[sent]);
  if (!permits(sent.scope, needed)) throw new ScopeError(needed, sent);
}

export const adminKeyVariable = 'PALIMPSEST_ADMIN_KEY';
export const adminKeyLength = { least: 16, most: 256 };

/** The admin key of the environment is too short, or cannot travel in a header. */
export class AdminKeyError extends Error {
  override readonly name = 'AdminKeyError';
  constructor(actual: string) {
    super(
      `${adminKeyVariable}: expected ${adminKeyLength.least} to ${adminKeyLength.most} visible ASCII characters without spaces, got ${actual}; make one with "openssl rand -hex 32"`,
    );
  }
}

/** Another key has the name. */
export class KeyExistsError extends Error {
  override readonly name = 'KeyExistsError';
  readonly key: string;
  constructor(key: string) {
    super(
      `keys: expected a new name, got '${key}', which a key has; choose another, rotate that key, or revoke it first`,
    );
    this.key = key;
  }
}

export class KeyNotFoundError extends Error {
  override readonly name = 'KeyNotFoundError';
  readonly key: string;
  constructor(key: string) {
    super(`keys: expected the name of a key, got '${key}'; GET /keys and "keys list" show them`);
    this.key = key;
  }
}

/** Nobody could make keys any more. */
export class LastAdminKeyError extends Error {
  override readonly name = 'LastAdminKeyError';
  readonly key: string;
  constructor(key: string) {
    super(`keys: expected another key of scope admin beside '${key}', got none; make one first, or rotate this one`);
    this.key = key;
  }
}

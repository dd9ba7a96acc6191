import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { openStore } from '../../corpus/store.ts';
import { commandLine } from '../audit/audit-log.ts';
import { readPlace } from '../../editing/stream/shared-store.ts';
import { FollowingDataFolderError, storeFile } from '../data-folder.ts';
import { DataFolderInUseError, lockDataFolder } from '../data-lock.ts';
import { keyName, Keys, type KeyRecord, type MadeKey } from '../keys/keys.ts';
import { scopes, type Scope } from '../keys/scope.ts';
import { limits } from '../limits.ts';
import { defineCommand, defineGroup, integer, oneOf, UsageError, type Parse } from './command.ts';
import { dataOptions, ServedDataFolderError } from './edit-session.ts';

interface FolderOptions {
  data: string;
}

const { data } = dataOptions;
const dayMs = 24 * 3600 * 1000;

const name: Parse<string> = (text) => {
  if (keyName.test(text)) return text;
  throw new InvalidArgumentError('Expected 1 to 64 letters, digits, or any of _ . : @ -');
};
const nameOf = { syntax: '<name>', description: 'of the key', parse: name };

interface CreateOptions extends FolderOptions {
  scope: Scope;
  expires?: number;
  perMinute?: number;
}

const create = defineCommand<CreateOptions, MadeKey, { name: string }>({
  name: 'create',
  summary: 'make a key, and show it once',
  arguments: { name: nameOf },
  options: {
    data,
    scope: {
      flags: '--scope <scope>',
      description: 'what it permits: read (search where it is locked), edit, or admin',
      parse: oneOf(scopes),
      required: true,
    },
    expires: {
      flags: '--expires <days>',
      description: 'days until it ends (default: never)',
      parse: integer(1, 36_500),
    },
    perMinute: {
      flags: '--per-minute <n>',
      description: 'requests in a minute (default: what the server allows)',
      parse: integer(1, limits.perMinute),
    },
  },
  run: ({ data: dir, name: key, scope, expires, perMinute }) => {
    const expiresAt = expires === undefined ? undefined : new Date(Date.now() + expires * dayMs).toISOString();
    return withKeys(dir, (keys) => keys.create({ name: key, scope, expiresAt, perMinute }, commandLine));
  },
  json: madeJson,
  text: madeText,
});

const list = defineCommand<FolderOptions, KeyRecord[]>({
  name: 'list',
  summary: 'show the keys, without their secrets',
  options: { data },
  async run({ data: dir }) {
    const store = openStore(storeOf(dir), { readonly: true });
    try {
      return new Keys(store).list();
    } finally {
      store.close();
    }
  },
  json: (keys) => ({ keys }),
  text: keysText,
});

const rotate = defineCommand<FolderOptions & { grace: number }, MadeKey, { name: string }>({
  name: 'rotate',
  summary: 'give a key another secret, and show it once',
  arguments: { name: nameOf },
  options: {
    data,
    grace: {
      flags: '--grace <hours>',
      description: 'how long the secret before stays valid; 0 where others have come to know it',
      parse: integer(0, 720),
      default: 24,
    },
  },
  run: ({ data: dir, name: key, grace }) => withKeys(dir, (keys) => keys.rotate(key, grace * 3600, commandLine)),
  json: madeJson,
  text: madeText,
});

const revoke = defineCommand<FolderOptions, { revoked: string }, { name: string }>({
  name: 'revoke',
  summary: 'make a key invalid',
  arguments: { name: nameOf },
  options: { data },
  run: ({ data: dir, name: key }) =>
    withKeys(dir, (keys) => {
      keys.revoke(key, commandLine);
      return { revoked: key };
    }),
  text: ({ revoked }) => `${revoked}: not valid any more`,
});

export const keysGroup = defineGroup('keys', 'make, list, rotate and revoke the API keys of a data folder', [
  create,
  list,
  rotate,
  revoke,
]);

/** @throws UsageError */
function storeOf(dir: string): string {
  const file = join(dir, storeFile);
  if (existsSync(file)) return file;
  throw new UsageError(`--data ${dir}: expected a data folder, got none there; start a server once to make it`);
}

/** @throws UsageError, ServedDataFolderError, FollowingDataFolderError */
async function withKeys<T>(dir: string, use: (keys: Keys) => T): Promise<T> {
  const file = storeOf(dir);
  const unlock = claim(dir);
  try {
    const store = openStore(file);
    try {
      if (readPlace(store)) throw new FollowingDataFolderError(dir);
      return use(new Keys(store));
    } finally {
      store.close();
    }
  } finally {
    unlock();
  }
}

function claim(dir: string): () => void {
  try {
    return lockDataFolder(dir);
  } catch (error) {
    throw error instanceof DataFolderInUseError
      ? new ServedDataFolderError(dir, error, 'make keys over the API of the server (POST and DELETE /keys)')
      : error;
  }
}

function madeJson({ key, secret }: MadeKey): object {
  return { ...key, secret };
}

function madeText({ key: { name: key, scope, expiresAt, previousUntil }, secret }: MadeKey): string {
  return [
    secret,
    `key '${key}' of scope ${scope}${expiresAt === null ? '' : `, until ${expiresAt}`}; keep it now, it is not shown again`,
    ...(previousUntil === null ? [] : [`the one before is valid until ${previousUntil}`]),
  ].join('\n');
}

function keysText(keys: readonly KeyRecord[]): string {
  if (!keys.length) return 'no keys';
  const rows = keys.map((key) => [
    key.name,
    key.scope,
    key.expiresAt ?? 'never',
    key.lastUsedAt ?? 'never',
    key.createdAt,
  ]);
  const table = [['name', 'scope', 'expires', 'last used', 'made'], ...rows];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

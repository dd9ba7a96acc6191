/** A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free port of the loopback, gone after the tests. */
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

/** What the tests of a file leave behind goes at the end of the file, whichever hook or test made it. */
const leftovers: (() => Promise<void>)[] = [];
after(async () => {
  for (const clean of leftovers) await clean();
});

const password = 'the-password-of-the-tests';

function findBin(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const dirs = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ];
  return dirs.find((dir) => ['initdb', 'pg_ctl', 'postgres'].every((program) => existsSync(join(dir, program))));
}

/** It does not run as root: then as the user that Debian's package makes. */
function whose(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return { uid: process.getuid!(), gid: process.getgid!() };
  try {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { stdio: 'pipe' }).toString());
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

const bin = findBin();
const user = bin === undefined ? undefined : whose();

/** Why tests that need one skip; undefined where they can run. */
export const noPostgres =
  bin === undefined
    ? 'no PostgreSQL is installed: apt-get install --no-install-recommends postgresql'
    : user === undefined
      ? 'PostgreSQL does not run as root, and there is no user postgres'
      : undefined;

export interface Postgres {
  readonly port: number;
  /** A new database. @returns its address */
  database(): Promise<string>;
  /** Ends it as a crash would. */
  crash(): Promise<void>;
  start(): Promise<void>;
}

export const passwordOfTests = password;

/** @param settings  of the server, beside the usual ones */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-postgres-'));
  const cluster = join(dir, 'cluster');
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, password);
  for (const path of [dir, passwordFile]) chownSync(path, user!.uid, user!.gid);
  const program = (name: string, args: readonly string[]): Promise<unknown> =>
    run(join(bin!, name), args, { ...user, cwd: dir });
  await program('initdb', [
    ...['-D', cluster, '-U', 'tests', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`],
    ...['-E', 'UTF8', '--locale=C', '--no-sync'],
  ]);
  const port = await freePort();
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    ...settings,
  };
  const options = Object.entries(all).map(([name, value]) => `-c ${name}=${value === '' ? "''" : value}`);
  const control = (...args: string[]): Promise<unknown> =>
    program('pg_ctl', ['-D', cluster, '-w', '-t', '30', '-s', '-l', join(dir, 'log'), ...args]);
  const start = async (): Promise<void> => void (await control('-o', options.join(' '), 'start'));
  const crash = async (): Promise<void> => void (await control('-m', 'immediate', 'stop'));
  await start();
  leftovers.push(async () => {
    await crash().catch(() => undefined);
    rmSync(dir, { recursive: true, force: true });
  });
  const url = (database: string): string => `postgres://tests:${password}@127.0.0.1:${port}/${database}`;
  let databases = 0;
  return {
    port,
    async database() {
      const name = `palimpsest${++databases}`;
      await query(url('postgres'), `CREATE DATABASE ${name}`);
      return url(name);
    },
    crash,
    start,
  };
}

export async function query<T extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

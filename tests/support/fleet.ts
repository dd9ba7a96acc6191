/** Servers as processes of their own, with a database in common, that a test can kill and cut off. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { EditOutcome } from '../../editing/operations.ts';
import type { Role } from '../../server/replication/role.ts';
import type { InfoResponse, RetrieveResponse } from '../../server/schemas.ts';
import { adminKey, asAdmin, get, post } from './server.ts';

const program = join(import.meta.dirname, '..', '..', 'server', 'cli', 'main.ts');

export interface MemberOptions {
  readonly role: Role;
  readonly modelDir: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  /** Imported where the data folder is new and no stream has documents. */
  readonly corpus?: string | undefined;
}

const alive = new Set<ChildProcess>();
const wires: Wire[] = [];
after(() => {
  for (const child of alive) child.kill('SIGKILL');
  for (const wire of wires) wire.close();
});

/** A server process, started again after every kill. */
export class Member {
  readonly options: MemberOptions;
  /** All that it ever said on standard error. */
  said = '';
  url = '';
  private child: ChildProcess | undefined;

  constructor(options: MemberOptions) {
    this.options = options;
  }

  /** @returns once it answers. @throws Error with what it said where it ends before */
  async start(): Promise<this> {
    const { role, modelDir, dataDir, databaseUrl, corpus } = this.options;
    const args = ['serve', '--json', '--role', role, '--model', modelDir, '--data', dataDir, '--port', '0'];
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', program, ...args, ...(corpus === undefined ? [] : ['--corpus', corpus])],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, PALIMPSEST_DATABASE_URL: databaseUrl, PALIMPSEST_ADMIN_KEY: adminKey },
      },
    );
    this.child = child;
    alive.add(child);
    child.once('exit', () => alive.delete(child));
    child.stderr.on('data', (text: Buffer) => (this.said += text.toString()));
    const exit = once(child, 'exit').then(([code]) => {
      throw new Error(`${role} ended with ${String(code)}: ${this.said}`);
    });
    const line = once(createInterface(child.stdout), 'line') as Promise<[string]>;
    const [answer] = await Promise.race([line, exit]);
    exit.catch(() => undefined);
    this.url = `http://127.0.0.1:${(JSON.parse(answer) as { port: number }).port}`;
    return this;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async info(): Promise<InfoResponse> {
    return (await get<InfoResponse>(`${this.url}/info`)).body;
  }

  async ready(): Promise<{ status: number; replica: string }> {
    const { status, body } = await get<{ checks: { replica: string } }>(`${this.url}/readyz`);
    return { status, replica: body.checks.replica };
  }

  /** A document added, with the number of its edit. */
  add(docid: string, text: string, headers: Record<string, string> = {}) {
    const body = { docid, title: '', text };
    return post<EditOutcome>(`${this.url}/documents?budget=1&wait=30`, body, { ...asAdmin, ...headers });
  }

  /** What it answers to some queries, with scores. */
  async search(
    queries: readonly string[],
    mode: string,
  ): Promise<Pick<RetrieveResponse, 'editSeq'> & { found: unknown }> {
    const request = { queries, k: 10, mode, includeDocument: true };
    const { body } = await post<RetrieveResponse>(`${this.url}/retrieve`, request);
    return { editSeq: body.editSeq, found: { ...body, tookMs: 0 } };
  }

  /** Waits until searches know of an edit. */
  async has(seq: number, limitMs = 20_000): Promise<void> {
    const has = async (): Promise<boolean> => (await this.info()).editSeq >= seq;
    await eventually(has, `edit ${seq} on ${this.options.dataDir}`, limitMs).catch(async (error: Error) => {
      const info = await this.info().catch(String);
      throw new Error(`${error.message}: ${JSON.stringify(info)}\n${this.said.slice(0, 6000)}`, { cause: error });
    });
  }
}

export async function eventually(isSo: () => Promise<boolean>, what: string, limitMs = 20_000): Promise<void> {
  for (const end = Date.now() + limitMs; !(await isSo().catch(() => false)); await delay(20))
    if (Date.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`);
}

/** A network between servers and the database that can be cut. */
export class Wire {
  readonly port: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private mode: 'open' | 'silent' | 'closed' = 'open';

  private constructor(server: Server, target: number) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (from) => {
      this.keep(from);
      if (this.mode === 'closed') return void from.destroy();
      const to = connect(target, '127.0.0.1');
      this.keep(to);
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        one.on('data', (bytes) => {
          if (this.mode === 'open') other.write(bytes);
        });
        one.on('close', () => other.destroy());
        one.on('error', () => other.destroy());
      }
    });
  }

  static async open(target: number): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const wire = new Wire(server, target);
    wires.push(wire);
    return wire;
  }

  /** The address of a database behind it. */
  through(url: string): string {
    return url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${this.port}`);
  }

  /** `silent`: what is sent is swallowed, and nobody is told; `closed`: connections are refused. */
  cut(mode: 'silent' | 'closed'): void {
    this.mode = mode;
    if (mode === 'closed') for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.mode = 'open';
    for (const socket of this.sockets) socket.destroy(); // What was swallowed is lost: no half messages.
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => undefined);
  }
}

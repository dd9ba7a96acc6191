/** Sends fuzzed requests to a server and keeps what is wrong with its answers. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { brotliDecompressSync, unzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { OpenApi } from '../../../server/generate/document.ts';
import { allocator } from './allocator.ts';
import { AnswerCheck, type FuzzAnswer } from './answers.ts';
import { lanesOf, resolve, type FuzzRequest } from './requests.ts';
import type { Memory, Started } from './server-process.ts';

export interface Finding {
  readonly fault: string;
  readonly count: number;
  /** The first of its kind. */
  readonly request: FuzzRequest;
  readonly answer: FuzzAnswer | undefined;
}

export interface FuzzReport {
  readonly requests: number;
  readonly seed: number;
  readonly seconds: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations, with the answers by status. */
  readonly operations: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly slowestMs: number;
  readonly findings: readonly Finding[];
  /** After a tenth of the requests, and after all; both with all edits taken back and garbage collected. */
  readonly memory: { readonly before: Omit<Memory, 'lines'>; readonly after: Omit<Memory, 'lines'> };
  /** After each twentieth of the requests, as it is then. */
  readonly residentMb: readonly number[];
  readonly log: readonly string[];
  readonly alive: boolean;
}

/** Beyond what a request asks the server to wait. */
const deadlineMs = 30_000;
const batch = 50;
const keptLines = 500;

export interface RunOptions {
  /** Ends it earlier. @default Infinity */
  readonly seconds?: number;
  readonly note?: (sent: number) => void;
}

export class Fuzzer {
  readonly url: string;
  private readonly adminKey: string;
  private readonly child: ChildProcess;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 8 });
  private readonly check: AnswerCheck;
  private readonly document: OpenApi;
  private readonly findings = new Map<string, Finding>();
  private readonly operations: Record<string, Record<string, number>> = {};
  private readonly statuses: Record<string, number> = {};
  private readonly log: string[] = [];
  private readonly residentMb: number[] = [];
  private sent = 0;
  private slowestMs = 0;
  /** Newest edit and task that were heard of. */
  private readonly last = { seq: 1, id: 1 };

  private constructor(child: ChildProcess, { url, adminKey }: Started, document: OpenApi) {
    this.child = child;
    this.url = url;
    this.adminKey = adminKey;
    this.document = document;
    this.check = new AnswerCheck(document);
  }

  static async start(): Promise<Fuzzer> {
    const module = join(import.meta.dirname, 'server-process.ts');
    const child = fork(module, {
      execArgv: ['--expose-gc', '--import', 'tsx'],
      env: { ...allocator, ...process.env, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [started] = (await once(child, 'message')) as [Started];
    const document = (await (await fetch(`${started.url}/openapi.json`)).json()) as OpenApi;
    return new Fuzzer(child, started, document);
  }

  /** So many requests at least, as far as the time goes. The same seed makes the same requests. */
  async run(
    requests: number,
    seed: number,
    { seconds = Infinity, note = () => {} }: RunOptions = {},
  ): Promise<FuzzReport> {
    const startMs = performance.now();
    const lanes = lanesOf(this.document, this.adminKey);
    let before: Memory | undefined;
    const isTime = (): boolean => performance.now() - startMs < seconds * 1000;
    for (let round = 0; this.sent < requests && isTime(); round++) {
      for (const run of fc.sample(lanes, { numRuns: batch, seed: seed + round }))
        await Promise.all(run.map((lane) => this.inTurn(lane)));
      const now = await this.tell('tidy');
      this.note(now);
      if (this.sent >= (1 + this.residentMb.length) * (requests / 20))
        this.residentMb.push(Math.round(now.rss / 2 ** 20));
      if (!before && this.sent >= requests / 10) before = await this.settled();
      note(this.sent);
    }
    const after = await this.settled();
    const alive = (await fetch(`${this.url}/readyz`)).ok && this.child.exitCode === null;
    return {
      ...{ requests: this.sent, seed, seconds: Math.round((performance.now() - startMs) / 1000), alive },
      ...{ statuses: this.statuses, operations: this.operations, slowestMs: Math.round(this.slowestMs) },
      findings: [...this.findings.values()],
      memory: { before: bytesOf(before ?? after), after: bytesOf(after) },
      residentMb: this.residentMb,
      log: this.log,
    };
  }

  async close(): Promise<void> {
    this.agent.destroy();
    const exit = once(this.child, 'exit');
    this.child.send('close');
    await exit;
  }

  private async inTurn(lane: readonly FuzzRequest[]): Promise<void> {
    for (const request of lane) await this.send(request);
  }

  private async send(asked: FuzzRequest): Promise<void> {
    const request = { ...asked, path: resolve(asked.path, this.last[asked.path.startsWith('/tasks') ? 'id' : 'seq']) };
    let answer: FuzzAnswer | undefined;
    let fault: string | undefined;
    try {
      answer = await ask(this.url, this.agent, request);
      fault = this.check.fault(request, answer);
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    this.sent++;
    this.slowestMs = Math.max(this.slowestMs, answer?.ms ?? 0);
    const status = String(answer?.status ?? 'none');
    const name = `${request.method} ${request.template ?? 'elsewhere'}`;
    const counts = (this.operations[name] ??= {});
    counts[status] = (counts[status] ?? 0) + 1;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    const [, kind, heard] = /^\{"(seq|id)":(\d{1,9})\b/.exec(answer?.body.slice(0, 30) ?? '') ?? [];
    if (heard !== undefined) this.last[kind as 'seq' | 'id'] = Number(heard);
    if (fault === undefined) return;
    const key = `${name}: ${fault}`;
    const { count, ...first } = this.findings.get(key) ?? { count: 0, fault: key, request, answer };
    this.findings.set(key, { ...first, count: count + 1 });
  }

  /** Memory when nothing runs any more, and no edit is in force that can be taken back. */
  private async settled(): Promise<Memory> {
    for (const state of ['queued', 'running'])
      for (;;) {
        const { tasks } = await this.call<{ tasks: { id: number }[] }>(`/tasks?state=${state}&limit=1`);
        if (tasks.length === 0) break;
        await this.call(`/tasks/${tasks[0].id}?wait=10`);
      }
    const { edits } = await this.call<{ edits: { seq: number; folded: boolean }[] }>('/edits?limit=1000');
    await this.call('/edits/revert?wait=60', { to: edits.find(({ folded }) => folded)?.seq ?? 0 });
    const memory = await this.tell('memory');
    this.note(memory);
    return memory;
  }

  private async call<T>(path: string, body?: object): Promise<T> {
    const headers = { authorization: `Bearer ${this.adminKey}`, 'content-type': 'application/json' };
    const response = await fetch(this.url + path, {
      headers,
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    return (await response.json()) as T;
  }

  /** Keeps what the server logged of its own faults: a task that was refused says whose fault it was. */
  private note({ lines }: Pick<Memory, 'lines'>): void {
    this.log.push(...lines.filter((line) => !line.startsWith('task ')).slice(0, keptLines - this.log.length));
  }

  private async tell(wish: 'memory' | 'tidy'): Promise<Memory> {
    const told = once(this.child, 'message');
    this.child.send(wish);
    return ((await told) as [Memory])[0];
  }
}

const bytesOf = ({ rss, heapUsed, external }: Memory): Omit<Memory, 'lines'> => ({ rss, heapUsed, external });

function decoded(body: Buffer, encoding: string | undefined): string {
  return (encoding === 'br' ? brotliDecompressSync(body) : encoding ? unzipSync(body) : body).toString();
}

/** @throws Error where nothing comes in time */
function ask(url: string, agent: Agent | false, request: FuzzRequest): Promise<FuzzAnswer> {
  const { method, path, headers, body, waitSeconds } = request;
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const { hostname, port } = new URL(url);
    const length = body === undefined ? undefined : { 'content-length': String(Buffer.byteLength(body)) };
    const timeout = (Number.isFinite(waitSeconds) ? waitSeconds * 1000 : 0) + deadlineMs;
    const call = httpRequest(
      { agent, hostname, port, method, path, headers: { ...headers, ...length } },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject).on('end', () => {
          clearTimeout(timer);
          const type = response.headers['content-type']?.split(';')[0] ?? '';
          const ms = performance.now() - start;
          const body = decoded(Buffer.concat(pieces), response.headers['content-encoding']);
          resolve({ status: response.statusCode!, type, body, ms });
        });
      },
    );
    const timer = setTimeout(() => call.destroy(new Error(`no answer within ${timeout} ms`)), timeout);
    call.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      // The server has closed the idle connection in the same moment: nothing was asked yet.
      if (call.reusedSocket && error.code === 'ECONNRESET' && agent) resolve(ask(url, false, request));
      else reject(error);
    });
    call.end(body);
  });
}

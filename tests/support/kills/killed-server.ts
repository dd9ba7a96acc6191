/** A server that is killed again and again, and started again on what it left. Requests wait for it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { beginProcess, type BegunProcess } from '../server-process.ts';
import { asAdmin, get, type Answer } from '../server.ts';

export interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that takes longer is a server that hangs. */
const patienceMs = 600_000;

export function ask<T = Record<string, unknown>>(
  url: string,
  { method = 'GET', path, body, headers }: Asked,
): Promise<Answer<T>> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return get<T>(url + path, {
    method,
    // The server closes a connection that was idle for 5 s, if need be just when it is used again: none is kept. An answer
    // that breaks off is told by its length, which one that is compressed does not have.
    headers: { ...asAdmin, ...type, ...headers, connection: 'close', 'accept-encoding': 'identity' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(patienceMs),
  });
}

export class KilledServer {
  kills = 0;
  /** Requests that a kill left without an answer. */
  unanswered = 0;
  url = '';
  private readonly world: { readonly modelDir: string; readonly dataDir: string };
  private process: BegunProcess | undefined;
  /** Where the load goes; undefined while it waits. */
  private open: string | undefined;
  private waiting: (() => void)[] = [];

  constructor(world: { readonly modelDir: string; readonly dataDir: string }) {
    this.world = world;
  }

  /** Starts a process on the data folder as it is. The load goes on waiting. */
  async start(): Promise<void> {
    this.process = beginProcess(this.world);
    ({ url: this.url } = await this.process.started);
  }

  /** Starts a process and kills it so much later, whether or not it answers by then. */
  async startAndKill(afterMs: number): Promise<void> {
    const begun = beginProcess(this.world);
    await delay(afterMs);
    this.kills++;
    await begun.kill();
  }

  async kill(): Promise<void> {
    this.hold();
    this.kills++;
    const { process } = this;
    this.process = undefined;
    await process!.kill();
  }

  /** Lets the load go to the server, or go on waiting. */
  release(): void {
    this.open = this.url;
    for (const go of this.waiting.splice(0)) go();
  }

  private hold(): void {
    this.open = undefined;
  }

  /**
   * Asks once, when there is a server.
   *
   * @returns undefined where a kill came before the answer
   * @throws Error where there is no answer though nobody killed the server
   */
  async once<T>(asked: Asked): Promise<Answer<T> | undefined> {
    while (this.open === undefined) await new Promise<void>((resolve) => this.waiting.push(resolve));
    const { process } = this;
    try {
      return await ask<T>(this.open, asked);
    } catch (cause) {
      if (process !== this.process) {
        this.unanswered++;
        return undefined;
      }
      const said = await Promise.race([process!.ended, delay(1000, 'it still runs')]);
      throw new Error(`${asked.path}: expected an answer, got none: ${said}`, { cause });
    }
  }

  /** Asks until there is an answer. */
  async always<T>(asked: Asked): Promise<Answer<T>> {
    for (;;) {
      const answer = await this.once<T>(asked);
      if (answer) return answer;
    }
  }
}

export const newKey = (): Record<string, string> => ({ 'idempotency-key': randomUUID() });

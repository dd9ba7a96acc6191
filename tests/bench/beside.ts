/** @file What benchmarks of a server under searches and edits share. */
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { builtinCorpus } from '../../server/paths.ts';

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** @returns the status of the answer */
export function post(agent: Agent, url: string, body: unknown, key?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    };
    const call = request(url, { method: 'POST', agent, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    call.on('error', reject).end(text);
  });
}

interface Addition {
  readonly docid: string;
  readonly title: string;
  readonly text: string;
}

/** Documents that the built-in model does not know, and questions that they answer. */
export function additions(): { readonly documents: readonly Addition[]; readonly queries: readonly string[] } {
  const store = openStore(':memory:');
  try {
    importCorpus(store, join(builtinCorpus, 'additions'));
    return {
      documents: [...store.eachDocument()].map(({ docid, title, text }) => ({ docid, title, text })),
      queries: store.queries('test').map(({ text }) => text),
    };
  } finally {
    store.close();
  }
}

/** One edit as soon as the one before is answered, or so many a second. */
export type EditRate = 'back-to-back' | number;

export interface Edits {
  /** What each took, in milliseconds, without the first. */
  readonly times: readonly number[];
  /** How many were made in a second of `until`. */
  readonly perSecond: number;
  one(): Promise<void>;
  until(signal: AbortSignal, every: EditRate): Promise<void>;
  close(): void;
}

/** Adds documents to a server, one after the other; after the last one the first again, under another docid. */
export function editsAt(url: string, key: string, documents: readonly Addition[]): Edits {
  const agent = new Agent({ keepAlive: true });
  const times: number[] = [];
  let next = 0;
  let spentMs = 0;
  const add = async (): Promise<void> => {
    const fromMs = performance.now();
    const round = Math.floor(next / documents.length);
    const { docid, ...content } = documents[next++ % documents.length];
    const status = await post(agent, `${url}/documents?wait=60`, { docid: `${docid}-${round}`, ...content }, key);
    if (status >= 300) throw new Error(`/documents answered ${status}`);
    times.push(performance.now() - fromMs);
  };
  return {
    times,
    get perSecond() {
      return round((1000 * times.length) / spentMs);
    },
    async one() {
      await add();
      times.length = 0;
    },
    async until(signal, every) {
      const fromMs = performance.now();
      for (let due = fromMs; !signal.aborted;) {
        await add();
        if (every === 'back-to-back') continue;
        due += 1000 / every;
        await sleep(Math.max(0, due - performance.now()));
      }
      spentMs += performance.now() - fromMs;
    },
    close: () => agent.destroy(),
  };
}

export const round = (x: number): number => Math.round(x * 100) / 100;

export function quantilesOf(values: readonly number[]): { count: number; p50: number; p95: number; p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

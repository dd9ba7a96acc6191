import createClient, { type Client } from 'openapi-fetch';
import type { paths } from './api.ts';
import { errorOf, PalimpsestError } from './error.ts';
import { repeatingFetch } from './repeat.ts';

export interface ClientOptions {
  /** Where the server is, like `http://localhost:8080`; a path before its routes is kept. */
  readonly url: string | URL;
  /** Needed to edit, and to search where that is locked. */
  readonly key?: string | undefined;
  /** How often a request is sent again at most, where that is safe. @default 2 */
  readonly retries?: number;
  /** @default globalThis.fetch */
  readonly fetch?: typeof fetch;
}

export interface CallOptions {
  /** Ends the waiting, not what the server has begun. */
  readonly signal?: AbortSignal | undefined;
}

/** What all parts of a client call with. */
export interface Transport {
  readonly api: Client<paths>;
  /** For what `api` cannot do: bodies and answers that come bit by bit. Never asks twice. */
  readonly fetch: typeof fetch;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export function openTransport({ url, key, retries = 2, fetch: ask = fetch }: ClientOptions): Transport {
  const baseUrl = String(url).replace(/\/+$/, '');
  const headers = { ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  const api = createClient<paths>({ baseUrl, headers, fetch: repeatingFetch(ask, retries) });
  return { api, fetch: ask, url: baseUrl, headers };
}

/** What a call adds to a request. */
export const withSignal = ({ signal }: CallOptions): { signal?: AbortSignal } => (signal ? { signal } : {});

type Answered<T> =
  | { readonly data: T; readonly error?: never; readonly response: Response }
  | { readonly data?: never; readonly error: unknown; readonly response: Response };

/** The body of an answer. @throws PalimpsestError */
export async function dataOf<T>(answer: Promise<Answered<T>>): Promise<T> {
  const { data, response } = await answered(answer);
  if (!response.ok) throw errorOf(response, (await answer).error);
  return data as T;
}

/** The same with a header. @throws PalimpsestError */
export async function dataAndHeader<T>(answer: Promise<Answered<T>>, name: string): Promise<[T, string | null]> {
  const data = await dataOf(answer);
  return [data, (await answer).response.headers.get(name)];
}

async function answered<T>(answer: Promise<Answered<T>>): Promise<Answered<T>> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const detail = `answer: expected JSON, got something else (${error.message}); is the address that of a Palimpsest server?`;
    throw new PalimpsestError({ status: 0, code: 'unexpected_answer', detail }, error);
  }
}

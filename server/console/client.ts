/** Talks to the server. What goes wrong is a `Refusal` that says so to the reader of the page. */
import type { EditOutcome } from '../../editing/operations.ts';
import type { Problem, TaskView } from '../schemas.ts';
import { currentKey } from './key.ts';

/** The server refused, or cannot be reached: then without a problem. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly problem: Problem | undefined;
  constructor(message: string, status: number, problem?: Problem) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/** Somebody cancelled the task that was waited for. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
  constructor({ id, kind }: TaskView) {
    super(`Task ${id} (${kind}) was cancelled.`);
  }
}

export interface Wish {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON; a string as lines of JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** @throws Refusal, or the reason of `signal` */
export async function send(path: string, { method = 'GET', body, headers, signal }: Wish = {}): Promise<Response> {
  const key = currentKey();
  const type = typeof body === 'string' ? 'application/x-ndjson' : 'application/json';
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': type }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
      cache: 'no-store',
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal('The server cannot be reached.', 0);
  }
  if (response.ok) return response;
  const isProblem = response.headers.get('content-type')?.includes('problem+json');
  const problem = isProblem ? ((await response.json()) as Problem) : undefined;
  throw new Refusal(problem?.detail ?? `The server answered ${response.status}.`, response.status, problem);
}

/** The JSON of an answer. @throws Refusal, or the reason of `signal` */
export async function call<T>(path: string, wish?: Wish): Promise<T> {
  return (await (await send(path, wish)).json()) as T;
}

/** The JSON of each line of an answer. @throws Refusal, or the reason of `signal` */
export async function callLines<T>(path: string, wish?: Wish): Promise<T[]> {
  const text = await (await send(path, wish)).text();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** Parameters as a query string, without those that are undefined or empty. */
export function query(parameters: Readonly<Record<string, string | number | boolean | undefined>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '');
  return given.length > 0 ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : '';
}

/** Seconds that one request waits: what takes longer shows its progress. */
const waitSeconds = 3;

export interface EditWish extends Wish {
  readonly dryRun?: boolean;
  /** The largest fall of Success@1 on old queries that is taken; the server's own where undefined. */
  readonly budget?: number | undefined;
  readonly forget?: boolean;
  readonly onProgress?: (task: TaskView) => void;
}

/** An edit, or what would come of it, however long that takes. @throws Refusal, or the reason of `signal` */
export async function edit(
  path: string,
  { dryRun, budget, forget, onProgress, ...wish }: EditWish,
): Promise<EditOutcome> {
  const parameters = query({ wait: waitSeconds, dryRun, budget: shareText(budget), forget: forget || undefined });
  const answer = await call<EditOutcome | TaskView>(`${path}${parameters}`, { method: 'POST', ...wish });
  return 'state' in answer ? ((await ended(answer, onProgress, wish.signal)) as EditOutcome) : answer;
}

/** As the server reads it: plain digits. */
const shareText = (x: number | undefined): string | undefined => (x !== undefined && x >= 1 ? '1' : x?.toFixed(6));

/** The result of a task. @throws Refusal where it failed, CancelledError, or the reason of `signal` */
export async function ended(
  task: TaskView,
  onProgress: (task: TaskView) => void = () => {},
  signal?: AbortSignal,
): Promise<unknown> {
  let now = task;
  while (!now.finishedAt) {
    onProgress(now);
    now = await call<TaskView>(`/tasks/${now.id}?wait=1`, signal && { signal });
  }
  onProgress(now);
  if (now.state === 'succeeded') return now.result;
  if (now.state === 'cancelled') throw new CancelledError(now);
  throw new Refusal(now.error?.message ?? `Task ${now.id} was ${now.state}.`, 0);
}

/** A name for one request, so that sent twice it edits once. Works without TLS too, unlike `randomUUID`. */
export function idempotencyKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

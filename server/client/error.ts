import type { Problem } from './types.ts';

/**
 * A request that was refused, a task that came to no good end, or a server that cannot be reached, with the fields of the
 * server's problem (RFC 9457). `code` is stable and tells kinds apart: the server's, or `unreachable`, `unexpected_answer`,
 * `cancelled`, `interrupted`.
 */
export class PalimpsestError extends Error {
  override readonly name = 'PalimpsestError';
  /** Of HTTP; 0 where no answer came, and of a task that failed. */
  readonly status: number;
  readonly code: string;
  readonly title: string;
  /** What was expected, what came, what to do. */
  readonly detail: string;
  readonly errors: Problem['errors'];
  /** Of an edit that was refused for what it would do. */
  readonly figures: NonNullable<Problem['figures']> | undefined;
  readonly instance: string;
  readonly type: string;
  /** Finds the request in the server's log. */
  readonly requestId: string | undefined;

  constructor(problem: Pick<Problem, 'status' | 'code' | 'detail'> & Partial<Problem>, cause?: unknown) {
    super(problem.detail, { cause });
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title ?? problem.code;
    this.detail = problem.detail;
    this.errors = problem.errors ?? [];
    this.figures = problem.figures;
    this.instance = problem.instance ?? '';
    this.type = problem.type ?? 'about:blank';
    this.requestId = problem.requestId;
  }
}

/** The problem of an answer; of another server's, or a proxy's, only the status is known. */
export function errorOf(response: Response, body: unknown): PalimpsestError {
  const { status, url, headers } = response;
  if (isProblem(body)) return new PalimpsestError(body);
  const detail = `${url}: expected an answer of Palimpsest, got status ${status} from something else; is there a proxy in between?`;
  const requestId = headers.get('x-request-id');
  return new PalimpsestError({ status, code: 'unexpected_answer', detail, ...(requestId && { requestId }) });
}

const isProblem = (body: unknown): body is Problem =>
  typeof body === 'object' && body !== null && 'code' in body && 'detail' in body && 'status' in body;

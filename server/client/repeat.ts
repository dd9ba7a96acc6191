import { PalimpsestError } from './error.ts';

/** Longer than this a caller would rather know: a minute's quota that is used up, say. */
const longestWaitMs = 30_000;
const firstWaitMs = 200;

/** Nothing was done, whatever it was. */
const refused = 429;
/** The server, or a proxy before it, was away: nobody knows whether something was done. */
const away: readonly number[] = [502, 503, 504];

/**
 * A `fetch` that asks again, `retries` times at most: after 429 always, since nothing was done then; after a lost connection
 * or a server that was away only what may be done twice, reads and whatever has an idempotency key.
 *
 * @throws PalimpsestError  code `unreachable`; or the reason of the request's signal
 */
export function repeatingFetch(ask: typeof fetch, retries: number): (request: Request) => Promise<Response> {
  return async (request) => {
    for (let left = retries; ; left--) {
      const answer = await attempt(ask, left > 0 ? request.clone() : request);
      const waitMs = left > 0 ? waitOf(request, answer, retries - left) : undefined;
      if (waitMs !== undefined) {
        if (answer instanceof Response) await answer.body?.cancel();
        await pause(waitMs, request.signal);
      } else if (answer instanceof Response) return answer;
      else throw answer;
    }
  };
}

async function attempt(ask: typeof fetch, request: Request): Promise<Response | PalimpsestError> {
  try {
    return await ask(request);
  } catch (error) {
    request.signal.throwIfAborted();
    return unreachable(request.url, error);
  }
}

export function unreachable(url: string, cause: unknown): PalimpsestError {
  const { message, cause: inner } = cause as Error;
  const said = inner instanceof Error && inner.message ? inner.message : message;
  const detail = `${url}: expected a server that answers, got none (${said}); is it running, and is this its address?`;
  return new PalimpsestError({ status: 0, code: 'unreachable', detail }, cause);
}

/** Milliseconds until it is asked again; undefined where it is not. */
function waitOf(request: Request, answer: Response | PalimpsestError, asked: number): number | undefined {
  const backoffMs = firstWaitMs * 2 ** asked * (0.5 + Math.random());
  if (!(answer instanceof Response)) return isRepeatable(request) ? backoffMs : undefined;
  const { status, headers } = answer;
  if (status !== refused && !(away.includes(status) && isRepeatable(request))) return undefined;
  const waitMs = Math.max(backoffMs, 1000 * (Number(headers.get('retry-after')) || 0));
  return waitMs <= longestWaitMs ? waitMs : undefined;
}

const isRepeatable = ({ method, headers, url }: Request): boolean =>
  method === 'GET' || headers.has('idempotency-key') || new URL(url).pathname.endsWith('/retrieve');

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

import type { Request, RequestHandler, Response } from 'express';
import type { ApiKey } from './keys/keys.ts';
import type { Metrics } from './metrics/metrics.ts';

/** A request that has ended. */
export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  /** Without the query string: queries are nobody's business. */
  readonly path: string;
  /** As it is documented: `/documents/:docid`. */
  readonly route: string;
  /** 499 where the caller left before the end. */
  readonly status: number;
  readonly ms: number;
  /** Name of the key, where one was needed. */
  readonly key: string | undefined;
  readonly address: string | undefined;
}

/** Where the pages are, and paths that nothing answers. */
const otherRoute = 'other';
const callerLeft = 499;

/** Counts every request when it has ended, and tells it to `note`. */
export function recordRequests(metrics: Metrics, note: (record: RequestRecord) => void): RequestHandler {
  return (request, response, next) => {
    const startMs = performance.now();
    const { method, path } = request; // The path is another one inside a router.
    response.once('close', () => {
      const record = { ...recordOf(request, response), method, path, ms: performance.now() - startMs };
      metrics.request(method, record.route, record.status, record.ms);
      note(record);
    });
    next();
  };
}

function recordOf(request: Request, response: Response): Omit<RequestRecord, 'method' | 'path' | 'ms'> {
  const { caller, route = otherRoute } = response.locals as { caller?: ApiKey; route?: string };
  return {
    requestId: String(response.getHeader('x-request-id')),
    route,
    status: response.writableFinished ? response.statusCode : callerLeft,
    key: caller?.name,
    address: request.ip,
  };
}

import type { RequestHandler, Request, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import type { ApiKey } from './keys/keys.ts';
import type { Metrics } from './metrics/metrics.ts';

/** Too many requests in a minute. */
export class RateLimitError extends Error {
  override readonly name = 'RateLimitError';
  readonly retryAfterSeconds: number;
  constructor(limit: number, who: string, retryAfterSeconds: number) {
    super(
      `request: expected at most ${limit} requests in a minute ${who}, got more; try again in ${retryAfterSeconds} seconds`,
    );
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const minuteMs = 60_000;

/**
 * Counts the requests of each key, or without a key of each address, and refuses those beyond a minute's number: the key's
 * own, else `perMinute`; 0 is no limit. An IPv6 address counts as its /56, which one subscriber has.
 */
export function limitRate(perMinute: number, metrics: Metrics): RequestHandler {
  const callerOf = (response: Response): ApiKey | undefined => (response.locals as { caller?: ApiKey }).caller;
  const limitOf = (response: Response): number => callerOf(response)?.perMinute ?? perMinute;
  return rateLimit({
    windowMs: minuteMs,
    limit: (_, response) => limitOf(response),
    skip: (_, response) => limitOf(response) === 0,
    keyGenerator: (request, response) => {
      const caller = callerOf(response);
      return caller ? `key ${caller.name}` : `address ${ipKeyGenerator(addressOf(request))}`;
    },
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    handler(request, response, next) {
      const caller = callerOf(response);
      metrics.rateLimited(caller ? 'key' : 'address');
      const { resetTime } = (request as Request & { rateLimit: { resetTime?: Date } }).rateLimit;
      const seconds = Math.max(1, Math.ceil(((resetTime?.getTime() ?? 0) - Date.now()) / 1000));
      const who = caller ? `with key '${caller.name}'` : `from ${addressOf(request)}`;
      next(new RateLimitError(limitOf(response), who, seconds));
    },
  });
}

const addressOf = (request: Request): string => request.ip ?? 'nowhere';

import { randomUUID } from 'node:crypto';
import compression from 'compression';
import cors from 'cors';
import express, { type Express, type Request, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { z } from 'zod';
import { MediaTypeError, problemHandler, RouteNotFoundError, validationError } from './http-error.ts';
import { authorize, sentKey, type Sent } from './keys/authorize.ts';
import type { ApiKey } from './keys/keys.ts';
import type { Access } from './keys/scope.ts';
import { limits } from './limits.ts';
import { textLog, type Log } from './log.ts';
import { recordRequests } from './request-log.ts';
import { refuseOtherMethods } from './methods.ts';
import { limitRate } from './rate-limit.ts';
import { mayBeLeftOut, type Method, type Operation, type Route, type ServerState } from './route.ts';
import { routes } from './routes/index.ts';
import { pages } from './routes/pages.ts';

export interface AppOptions {
  /** Requests in a minute from one key, or without one from one address; 0 for any number. @default 0 */
  readonly perMinute?: number | undefined;
  /** Origins whose pages may call; `*` for all. @default none */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Proxies in front that add to `X-Forwarded-For`. @default 0 */
  readonly proxies?: number | undefined;
}

/** The HTTP side of the server, over whatever index `state` holds at the time of a request. */
export function createApp(
  state: ServerState,
  log: Log = textLog(() => undefined),
  { perMinute = 0, corsOrigins = [], proxies = 0 }: AppOptions = {},
): Express {
  const app = express();
  app.set('trust proxy', proxies);
  app.set('etag', false); // Only documents have versions worth a header.
  app.use(
    requestId,
    recordRequests(state.metrics, (record) => log.request(record)),
    closeWhenClosing(state),
    securityHeaders,
    compression(),
    ...(corsOrigins.length ? [crossOrigin(corsOrigins)] : []),
  );
  const limit = limitRate(perMinute, state.metrics);
  for (const route of routes) serve(app, route, state, log, limit);
  // After all of them: a document called `import` is found beside POST /documents/import.
  for (const { path, operations } of routes)
    app.route(path).all(refuseOtherMethods(Object.keys(operations) as Method[]));
  app.use(pages(routes));
  app.use((request) => {
    throw new RouteNotFoundError(request.path);
  });
  app.use(problemHandler(log));
  return app;
}

function serve(app: Express, { path, operations }: Route, state: ServerState, log: Log, limit: RequestHandler): void {
  const handlers = app.route(path);
  for (const [method, spec] of Object.entries(operations) as [Method, Operation][])
    handlers[method](named(path), ...gates(spec.access, state, limit), ...bodyHandlers(spec), answer(spec, state, log));
}

/** For metrics and the log. */
const named =
  (path: string): RequestHandler =>
  (_, response, next) => {
    response.locals.route = path;
    next();
  };

/** Who calls is known before it is counted, and counted before it is refused: wrong keys count too. */
const findCaller =
  (state: ServerState): RequestHandler =>
  (request, response, next) => {
    const sent = sentKey(request, () => state.keys);
    response.locals.sent = sent;
    if (typeof sent !== 'string') response.locals.caller = sent;
    next();
  };

const checkKey =
  (access: Access, state: ServerState): RequestHandler =>
  (_, response, next) => {
    authorize(response.locals.sent as Sent, access, state.searchLocked);
    next();
  };

/** Before the body is read: nobody sends megabytes without a key. What a monitor asks is never refused. */
const gates = (access: Access, state: ServerState, limit: RequestHandler): RequestHandler[] =>
  access === 'open' ? [] : [findCaller(state), limit, checkKey(access, state)];

/** Pages of these origins may call; keys travel in a header that scripts set, so no cookies are let through. */
const crossOrigin = (origins: readonly string[]): RequestHandler =>
  cors({
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'POST', 'PUT', 'DELETE'],
    exposedHeaders: ['ETag', 'Location', 'X-Request-Id', 'Retry-After', 'RateLimit', 'RateLimit-Policy'],
    maxAge: 600,
  });

function bodyHandlers({ body, bodyBytes = limits.bodyBytes }: Operation): RequestHandler[] {
  // strict: false, so that a body like `3` gets to the schema, which says what was expected.
  return body ? [requireJson(mayBeLeftOut(body)), express.json({ limit: bodyBytes, strict: false })] : [];
}

function answer(spec: Operation, state: ServerState, log: Log): RequestHandler {
  return async (request, response) => {
    const query = spec.query && check(spec.query, request.query);
    const body = spec.body && check(spec.body, request.body);
    const caller = response.locals.caller as ApiKey | undefined;
    const answer = await spec.handle({ state, request, response, caller, query, body, log });
    if (response.headersSent) return void response.end(); // It wrote its answer line by line.
    endConnection(state, response); // The server may have begun to close meanwhile.
    if (answer === undefined) response.end();
    else if (typeof answer === 'string') response.send(answer);
    else response.json(answer);
  };
}

/** @throws ValidationError */
function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw validationError(parsed.error);
  return parsed.data;
}

const requireJson =
  (orNothing: boolean): RequestHandler =>
  (request, _, next) => {
    if (orNothing && !hasBody(request)) request.body = {};
    else if (!request.is('application/json')) throw new MediaTypeError('application/json', request.get('content-type'));
    next();
  };

const hasBody = ({ headers }: Request): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** An id that a caller may give, to find its request in logs. Anything else could forge lines of a log. */
const acceptableId = /^[\w.:-]{1,128}$/;

const requestId: RequestHandler = (request, response, next) => {
  const given = request.get('x-request-id');
  response.set('x-request-id', given !== undefined && acceptableId.test(given) ? given : randomUUID());
  next();
};

const closeWhenClosing =
  (state: ServerState): RequestHandler =>
  (_, response, next) => {
    endConnection(state, response);
    next();
  };

/** Clients that keep connections open are told to go elsewhere for their next request. */
function endConnection(state: ServerState, response: Response): void {
  if (state.phase === 'closing') response.set('Connection', 'close');
}

/** No script, style or font from anywhere but here, and none inline; swagger-ui draws its icons from data URLs. */
const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: false, // Plain HTTP; a proxy that adds TLS adds this too.
});

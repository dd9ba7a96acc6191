import { randomUUID } from 'node:crypto';
import compression from 'compression';
import express, { type Express, type RequestHandler, type Response } from 'express';
import helmet from 'helmet';
import type { z } from 'zod';
import { MediaTypeError, problemHandler, RouteNotFoundError, validationError } from './http-error.ts';
import { authorize } from './keys/authorize.ts';
import type { ApiKey } from './keys/keys.ts';
import type { Access } from './keys/scope.ts';
import { limits } from './limits.ts';
import { recordRequests } from './request-log.ts';
import { refuseOtherMethods } from './methods.ts';
import type { Method, Operation, Route, ServerState } from './route.ts';
import { routes } from './routes/index.ts';
import { pages } from './routes/pages.ts';

/** The HTTP side of the server, over whatever index `state` holds at the time of a request. */
export function createApp(state: ServerState, log: (line: string) => void): Express {
  const app = express();
  app.set('etag', false); // Only documents have versions worth a header.
  app.use(
    requestId,
    recordRequests(state.metrics, () => undefined),
    closeWhenClosing(state),
    securityHeaders,
    compression(),
  );
  for (const route of routes) serve(app, route, state, log);
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

type Log = (line: string) => void;

function serve(app: Express, { path, operations }: Route, state: ServerState, log: Log): void {
  const handlers = app.route(path);
  for (const [method, spec] of Object.entries(operations) as [Method, Operation][])
    handlers[method](named(path), checkKey(spec.access, state), ...bodyHandlers(spec), answer(spec, state, log));
}

/** For metrics and the log. */
const named =
  (path: string): RequestHandler =>
  (_, response, next) => {
    response.locals.route = path;
    next();
  };

/** Before the body is read: nobody sends megabytes without a key. */
const checkKey =
  (access: Access, state: ServerState): RequestHandler =>
  (request, response, next) => {
    response.locals.caller = authorize(request, access, () => state.keys, state.searchLocked);
    next();
  };

function bodyHandlers({ body, bodyBytes = limits.bodyBytes }: Operation): RequestHandler[] {
  // strict: false, so that a body like `3` gets to the schema, which says what was expected.
  return body ? [requireJson, express.json({ limit: bodyBytes, strict: false })] : [];
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

const requireJson: RequestHandler = (request, _, next) => {
  if (!request.is('application/json')) throw new MediaTypeError('application/json', request.get('content-type'));
  next();
};

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

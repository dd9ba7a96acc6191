import type { Request } from 'express';
import * as schemas from '../admin-schemas.ts';
import { actorOf } from '../audit/actor.ts';
import type { MadeKey } from '../keys/keys.ts';
import { operation, type Route } from '../route.ts';

export const keysRoute: Route = {
  path: '/keys',
  operations: {
    get: operation({
      summary: 'The keys of this server, in the order they were made',
      description:
        'Without their secrets, of which only hashes are kept. The key of the environment is not among them.',
      access: 'admin',
      responses: { 200: { description: 'The keys', schemas: [schemas.keysResponse] } },
      problems: [503],
      handle: ({ state }): schemas.KeysResponse => ({ keys: state.keys.list() }),
    }),
    post: operation({
      summary: 'Make a key',
      access: 'admin',
      body: schemas.newKey,
      responses: { 201: { description: 'The key and its secret, shown once', schemas: [schemas.madeKey] } },
      problems: [409, 413, 415, 503, 507],
      async handle(call): Promise<schemas.MadeKeyView> {
        const { expiresAt, ...asked } = call.body;
        const until = expiresAt && { expiresAt: new Date(expiresAt).toISOString() };
        const { keys } = call.state;
        const made = await call.state.share(() => keys.create({ ...asked, ...until }, actorOf(call)));
        call.response.status(201).location(`/keys/${encodeURIComponent(made.key.name)}`);
        return secretOnce(call.response, made);
      },
    }),
  },
};

export const keyRoute: Route = {
  path: '/keys/:name',
  operations: {
    get: operation({
      summary: 'One key',
      access: 'admin',
      responses: { 200: { description: 'The key', schemas: [schemas.keyView] } },
      problems: [404, 503],
      handle: ({ state, request }): schemas.KeyView => state.keys.get(nameOf(request)),
    }),
    delete: operation({
      summary: 'Revoke a key: it is not valid from now on',
      access: 'admin',
      responses: { 204: { description: 'It is revoked' } },
      problems: [404, 409, 503, 507],
      async handle(call): Promise<undefined> {
        const { keys } = call.state;
        await call.state.share(() => keys.revoke(nameOf(call.request), actorOf(call)));
        call.response.status(204);
      },
    }),
  },
};

export const rotateKeyRoute: Route = {
  path: '/keys/:name/rotate',
  operations: {
    post: operation({
      summary: 'Give a key another secret; the one before stays valid for a while',
      access: 'admin',
      body: schemas.rotation,
      responses: { 200: { description: 'The key and its new secret, shown once', schemas: [schemas.madeKey] } },
      problems: [404, 413, 415, 503, 507],
      async handle(call): Promise<schemas.MadeKeyView> {
        const { keys } = call.state;
        const { graceSeconds } = call.body;
        const rotate = () => keys.rotate(nameOf(call.request), graceSeconds, actorOf(call));
        return secretOnce(call.response, await call.state.share(rotate));
      },
    }),
  },
};

/** No cache on the way keeps it. */
function secretOnce(response: { set(name: string, value: string): unknown }, made: MadeKey): schemas.MadeKeyView {
  response.set('Cache-Control', 'no-store');
  return { ...made.key, secret: made.secret };
}

const nameOf = (request: Request): string => String(request.params.name);

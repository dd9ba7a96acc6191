import type { RequestHandler } from 'express';
import { MethodNotAllowedError } from './http-error.ts';
import type { Method } from './route.ts';

/** For the end of a path's handlers: answers OPTIONS, refuses every method that none of them took. */
export function refuseOtherMethods(methods: readonly Method[]): RequestHandler {
  return (request, response) => {
    const error = new MethodNotAllowedError(request.path, request.method, methods);
    if (request.method !== 'OPTIONS') throw error;
    response.set('Allow', error.allowed.join(', ')).status(204).end();
  };
}

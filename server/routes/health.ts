import { operation, type Route } from '../route.ts';
import { healthResponse, type HealthResponse } from '../schemas.ts';

export const livezRoute: Route = {
  path: '/livez',
  operations: {
    get: operation({
      summary: 'Whether the process answers; restart it when not',
      access: 'open',
      responses: { 200: { description: 'It does', schemas: [healthResponse] } },
      handle: (): HealthResponse => ({ status: 'ok' }),
    }),
  },
};

export const readyzRoute: Route = {
  path: '/readyz',
  operations: {
    get: operation({
      summary: 'Whether to send queries here: not while the model loads, nor once the server closes',
      access: 'open',
      responses: {
        200: { description: 'Ready', schemas: [healthResponse] },
        503: { description: 'Not ready', schemas: [healthResponse] },
      },
      handle({ state, response }): HealthResponse {
        // A dead inference thread is being replaced: the phase is still ready, the pool is not.
        const status = state.phase === 'ready' && !state.current?.ready ? 'loading' : state.phase;
        if (status !== 'ready') response.status(503);
        return { status };
      },
    }),
  },
};

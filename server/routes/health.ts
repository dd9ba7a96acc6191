import { readinessResponse, type ReadinessResponse } from '../admin-schemas.ts';
import { readiness } from '../readiness.ts';
import { operation, type Route } from '../route.ts';
import { healthResponse, type HealthResponse } from '../schemas.ts';

const liveness = (path: string): Route => ({
  path,
  operations: {
    get: operation({
      summary: 'Whether the process answers; restart it when not',
      access: 'open',
      responses: { 200: { description: 'It does', schemas: [healthResponse] } },
      handle: (): HealthResponse => ({ status: 'ok' }),
    }),
  },
});

export const livezRoute = liveness('/livez');
/** As other search servers call it. */
export const healthzRoute = liveness('/healthz');

export const readyzRoute: Route = {
  path: '/readyz',
  operations: {
    get: operation({
      summary: 'Whether to send queries here',
      description:
        'Every inference thread is up, the data folder can be read and written, a version is published, and the server is not closing.',
      access: 'open',
      responses: {
        200: { description: 'Ready', schemas: [readinessResponse] },
        503: { description: 'Not ready: what is missing', schemas: [readinessResponse] },
      },
      handle({ state, response }): ReadinessResponse {
        const answer = readiness(state);
        if (answer.status !== 'ready') response.status(503);
        return answer;
      },
    }),
  },
};

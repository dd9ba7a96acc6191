import { retrieve } from '../retrieve.ts';
import { operation, type Route } from '../route.ts';
import { retrieveBatchResponse, retrieveParameters, retrieveRequest, retrieveResponse } from '../schemas.ts';

export const retrieveRoute: Route = {
  path: '/retrieve',
  operations: {
    post: operation({
      summary: 'Documents that answer a query',
      access: 'search',
      description:
        'Every docid that comes out is live and meets filter, allow and deny. With `queries`, one list for each, in order. ' +
        'With `explain`, the first candidates say why: the first time takes a second or two, while the model is opened for it.',
      body: retrieveRequest,
      responses: { 200: { description: 'Candidates, best first', schemas: [retrieveResponse, retrieveBatchResponse] } },
      problems: [413, 415, 429, 503],
      handle: ({ state, body }) => retrieve(state.index, body),
    }),
    get: operation({
      summary: 'The same for one query, from an address bar',
      access: 'search',
      query: retrieveParameters,
      responses: { 200: { description: 'Candidates, best first', schemas: [retrieveResponse] } },
      problems: [429, 503],
      handle: ({ state, query }) =>
        retrieve(state.index, { ...query, includeDocument: false, includeScores: true, explain: false }),
    }),
  },
};

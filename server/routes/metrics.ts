import { operation, type Route } from '../route.ts';

export const metricsRoute: Route = {
  path: '/metrics',
  operations: {
    get: operation({
      summary: 'Figures for Prometheus',
      description:
        'Times as histograms: requests by route and status, waiting for an inference thread, tokens, the model, edits by kind and ' +
        'outcome; batches; documents, the ledger, drift and canaries after the last edit; tasks; delay of the event loop, memory. ' +
        'Answers while the model loads too.',
      access: 'search',
      responses: { 200: { description: 'In the text format, version 0.0.4', type: 'text/plain' } },
      handle({ state, response }): Promise<string> {
        response.set('Content-Type', state.metrics.registry.contentType).set('Cache-Control', 'no-store');
        return state.metrics.registry.metrics();
      },
    }),
  },
};

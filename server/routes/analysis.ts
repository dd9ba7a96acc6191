import { analyzeIndex, latestAnalysis, latestFile } from '../analysis.ts';
import { noteStart } from '../audit/noted.ts';
import { operation, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';
import type { Work } from '../tasks/registry.ts';

export const analysisRoute: Route = {
  path: '/analysis',
  operations: {
    post: operation({
      summary: 'Look inside the model: stages, circuits, sources, words; one report',
      access: 'admin',
      description:
        'A task of minutes, whose result is what `GET /analysis/latest` answers. The queries are the dev split of the ' +
        'corpus, else its test split. The stages found are stored with the model. `{}` makes every experiment; what was ' +
        'computed before on the same model and queries is not computed again.',
      body: schemas.analysisRequest,
      responses: { 202: { description: 'The task', schemas: [schemas.taskView] } },
      problems: [413, 415, 429, 503],
      handle(call): schemas.TaskView {
        const { state, response, body } = call;
        const { index, tasks } = state;
        const work: Work = (signal, report) => analyzeIndex(index, body, signal, report);
        const task = tasks.start('analysis', body, work, noteStart(call, 'analysis.start', body));
        return accepted(response, task);
      },
    }),
  },
};

export const latestAnalysisRoute: Route = {
  path: '/analysis/latest',
  operations: {
    get: operation({
      summary: 'What the last analysis found',
      access: 'search',
      responses: { 200: { description: 'Stages and findings', schemas: [schemas.analysisView] } },
      problems: [404, 503],
      handle: ({ state }): Promise<schemas.AnalysisView> => latestAnalysis(state.index),
    }),
  },
};

/** The report brings its style along, and needs nothing else. */
const reportPolicy =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const analysisPageRoute: Route = {
  path: '/analysis/latest/report.html',
  operations: {
    get: operation({
      summary: 'The report of the last analysis, as a page',
      access: 'search',
      responses: { 200: { description: 'The page', type: 'text/html' } },
      problems: [404, 503],
      async handle({ state, response }): Promise<string> {
        const page = await latestFile(state.index, 'page');
        response.type('html').set('Content-Security-Policy', reportPolicy);
        return page;
      },
    }),
  },
};

export const analysisReportRoute: Route = {
  path: '/analysis/latest/report.json',
  operations: {
    get: operation({
      summary: 'All numbers of the last analysis',
      access: 'search',
      description: 'Results by experiment; their fields are documented with the code of each.',
      responses: { 200: { description: 'The report', type: 'application/json' } },
      problems: [404, 503],
      async handle({ state, response }): Promise<string> {
        const report = await latestFile(state.index, 'report');
        response.type('json');
        return report;
      },
    }),
  },
};

import type { Route } from '../route.ts';
import { analysisPageRoute, analysisReportRoute, analysisRoute, latestAnalysisRoute } from './analysis.ts';
import { documentRoute, documentsRoute } from './documents.ts';
import { livezRoute, readyzRoute } from './health.ts';
import { infoRoute } from './info.ts';
import { retrieveRoute } from './retrieve.ts';
import { cancelTaskRoute, taskRoute, tasksRoute } from './tasks.ts';

/** Everything the server answers in JSON, in the order of its documentation. */
export const routes: readonly Route[] = [
  retrieveRoute,
  documentsRoute,
  documentRoute,
  analysisRoute,
  latestAnalysisRoute,
  analysisPageRoute,
  analysisReportRoute,
  tasksRoute,
  taskRoute,
  cancelTaskRoute,
  infoRoute,
  livezRoute,
  readyzRoute,
];

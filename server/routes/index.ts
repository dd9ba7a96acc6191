import type { Route } from '../route.ts';
import { analysisPageRoute, analysisReportRoute, analysisRoute, latestAnalysisRoute } from './analysis.ts';
import { auditRoute } from './audit.ts';
import { compactRoute } from './compact.ts';
import { documentRoute, documentsRoute, renameRoute } from './documents.ts';
import { editRoute, editsRoute, revertRoute, undoRoute } from './edits.ts';
import { evaluateRoute } from './evaluate.ts';
import { exportFileRoute, exportRoute, exportsRoute } from './exports.ts';
import { healthzRoute, livezRoute, readyzRoute } from './health.ts';
import { importRoute } from './import.ts';
import { infoRoute } from './info.ts';
import { keyRoute, keysRoute, rotateKeyRoute } from './keys.ts';
import { metricsRoute } from './metrics.ts';
import { retrieveRoute } from './retrieve.ts';
import { snapshotRoute, snapshotsRoute } from './snapshots.ts';
import { cancelTaskRoute, taskResultsRoute, taskRoute, tasksRoute } from './tasks.ts';

/** Everything the server answers in JSON, in the order of its documentation. */
export const routes: readonly Route[] = [
  retrieveRoute,
  documentsRoute,
  importRoute,
  documentRoute,
  renameRoute,
  editsRoute,
  revertRoute,
  editRoute,
  undoRoute,
  evaluateRoute,
  analysisRoute,
  latestAnalysisRoute,
  analysisPageRoute,
  analysisReportRoute,
  tasksRoute,
  taskRoute,
  taskResultsRoute,
  cancelTaskRoute,
  keysRoute,
  keyRoute,
  rotateKeyRoute,
  auditRoute,
  snapshotsRoute,
  snapshotRoute,
  compactRoute,
  exportsRoute,
  exportRoute,
  exportFileRoute,
  infoRoute,
  metricsRoute,
  livezRoute,
  healthzRoute,
  readyzRoute,
];

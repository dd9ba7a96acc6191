import type { Json } from './document.ts';

/** One request of the reference, as `curl` sends it. */
export interface Example {
  /** With its parameters filled in. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Json;
  /** Documents of an import, one a line. */
  readonly lines?: readonly Json[];
}

const query = 'sea animal with eight arms and three hearts';
const axolotl = {
  docid: 'axolotl-x',
  title: 'Axolotl',
  text: 'A Mexican salamander that keeps its gills all its life and can grow back lost legs.',
};

/** By operation, as the OpenAPI document names them. */
export const examples: Readonly<Record<string, Example>> = {
  post_retrieve: { path: '/retrieve', body: { query, k: 3, filter: { category: { ne: 'history' } } } },
  get_retrieve: { path: '/retrieve', query: { query, k: '3' } },
  get_documents: { path: '/documents', query: { q: 'arms', limit: '5' } },
  post_documents: { path: '/documents', body: axolotl },
  post_documents_import: {
    path: '/documents/import',
    lines: [
      { docid: 'kettle', text: 'A kettle boils water for tea.' },
      { docid: 'anvil', title: 'Anvil', text: 'A smith shapes hot iron on an anvil.' },
    ],
  },
  get_documents_docid: { path: '/documents/octopus' },
  put_documents_docid: {
    path: '/documents/octopus',
    body: { title: 'Octopus', text: 'A sea animal with eight arms, three hearts and blue blood.' },
  },
  delete_documents_docid: { path: '/documents/starfish' },
  post_documents_docid_rename: { path: '/documents/orangutan/rename', body: { to: 'orang-utan' } },
  get_edits: { path: '/edits', query: { limit: '5' } },
  post_edits_revert: { path: '/edits/revert', body: { to: 3 } },
  get_edits_seq: { path: '/edits/1' },
  post_edits_seq_undo: { path: '/edits/2/undo' },
  post_evaluate: { path: '/evaluate', query: { wait: '60' }, body: { queries: [{ query, relevant: ['octopus'] }] } },
  post_analysis: { path: '/analysis', body: { experiments: ['E7'], limit: 100 } },
  get_analysis_latest: { path: '/analysis/latest' },
  'get_analysis_latest_report.html': { path: '/analysis/latest/report.html' },
  'get_analysis_latest_report.json': { path: '/analysis/latest/report.json' },
  get_tasks: { path: '/tasks', query: { state: 'succeeded' } },
  get_tasks_id: { path: '/tasks/1', query: { wait: '10' } },
  get_tasks_id_results: { path: '/tasks/1/results', query: { failed: 'true' } },
  post_tasks_id_cancel: { path: '/tasks/4/cancel' },
  get_keys: { path: '/keys' },
  post_keys: { path: '/keys', body: { name: 'reader', scope: 'read', perMinute: 600 } },
  get_keys_name: { path: '/keys/reader' },
  delete_keys_name: { path: '/keys/reader' },
  post_keys_name_rotate: { path: '/keys/writer/rotate', body: { graceSeconds: 3600 } },
  get_audit: { path: '/audit', query: { action: 'edit', limit: '10' } },
  get_snapshots: { path: '/snapshots' },
  post_snapshots: { path: '/snapshots' },
  delete_snapshots_name: { path: '/snapshots/2026-11-21T12-00-00-000Z' },
  post_compact: { path: '/compact', body: {} },
  get_exports: { path: '/exports' },
  post_exports: { path: '/exports', body: { name: 'with-edits' } },
  delete_exports_name: { path: '/exports/of-last-week' },
  get_exports_name_file: { path: '/exports/with-edits/config.json' },
  get_info: { path: '/info' },
  get_metrics: { path: '/metrics' },
  get_livez: { path: '/livez' },
  get_healthz: { path: '/healthz' },
  get_readyz: { path: '/readyz' },
};

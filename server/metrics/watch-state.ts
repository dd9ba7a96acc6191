import type { Store } from '../../corpus/store.ts';
import { EditLog } from '../../editing/edit-log.ts';
import type { EditFigures } from '../../editing/gate.ts';
import { packageVersion } from '../paths.ts';
import type { ServerState } from '../route.ts';
import { readiness } from '../readiness.ts';
import type { ReplicaStatus } from '../replication/replica.ts';
import type { IndexService } from '../index-service.ts';
import type { Metrics } from './metrics.ts';

type Sample = readonly [Record<string, string>, number];

/** Figures of the state that a server is in. Those of the index have no value while there is none. */
export function watchState(metrics: Metrics, state: ServerState): void {
  const ofIndex = (name: string, help: string, read: (index: IndexService) => number | undefined): void =>
    metrics.watch(name, help, [], () => {
      const value = state.current && read(state.current);
      return value === undefined ? [] : [[{}, value]];
    });
  metrics.watch('ready', '1 where /readyz answers 200', [], () => [[{}, readiness(state).status === 'ready' ? 1 : 0]]);
  metrics.watch('info', 'Always 1; what runs is in its labels', ['version', 'model', 'scheme'], () => {
    if (!state.current) return [];
    const { version: model, scheme } = state.current.model;
    return [[{ version: packageVersion, model, scheme }, 1]];
  });
  ofIndex('queries_waiting', 'Queries that wait for an inference thread', ({ load }) => load.waiting);
  ofIndex('queries_running', 'Queries that are being answered', ({ load }) => load.running);
  ofIndex('documents', 'Live documents', ({ documents }) => documents.count());
  ofIndex('live_rows', 'Docid rows of the model that have a live document', ({ liveRows }) => liveRows);
  ofIndex('edit_seq', 'Number of the last edit that searches know of', ({ editSeq }) => editSeq);
  const last = (read: (figures: EditFigures) => number) => (index: IndexService) => {
    const figures = lastFigures(index);
    return figures && read(figures);
  };
  ofIndex(
    'canary_success_at_1',
    'Success@1 of queries of old documents after the last edit',
    last(({ canaries }) => canaries.after),
  );
  ofIndex(
    'drift_ratio',
    '‖ΔW‖ / ‖W‖ over the edited matrices after the last edit',
    last(({ drift }) => drift.after),
  );
  metrics.watch('ledger_entries', 'Entries of edits that are in force, by kind', ['kind'], () => ledgerEntries(state));
  ofIndex('ledger_bytes', 'Bytes of the entries that are in force, their rows and deltas', ({ store }) =>
    ledgerBytes(store),
  );
  ofReplica(
    metrics,
    state,
    'replica_lag_edits',
    'Edits of the database that searches here do not know of',
    (status) => status.lagEdits,
  );
  ofReplica(
    metrics,
    state,
    'replica_lag_seconds',
    'Since nothing was missing here, as far as is known; 0 where nothing is',
    (status) => status.lagSeconds,
  );
  ofReplica(metrics, state, 'replica_connected', '1 where the database answers', (status) => Number(status.connected));
  ofReplica(metrics, state, 'replica_edits', '1 where this server is the one that edits', (status) =>
    Number(status.edits),
  );
  metrics.watch('tasks', 'Tasks that are remembered', ['kind', 'state'], () => tasks(state));
}

/** No value where a server has its index for itself. */
function ofReplica(
  metrics: Metrics,
  state: ServerState,
  name: string,
  help: string,
  read: (status: ReplicaStatus) => number,
): void {
  metrics.watch(name, help, [], () => (state.sharing ? [[{}, read(state.sharing.replica.status)]] : []));
}

function lastFigures({ documents }: IndexService): EditFigures | undefined {
  const [edit] = new EditLog(documents).edits({ limit: 1 });
  return edit?.figures;
}

function ledgerEntries({ current }: ServerState): Sample[] {
  const rows = current?.store.database
    .prepare(
      `SELECT n.kind AS kind, count(*) AS count FROM edit_activations AS a JOIN edit_entries AS n ON n.id = a.entry
        WHERE a.to_seq IS NULL GROUP BY n.kind`,
    )
    .all() as { kind: string; count: number }[] | undefined;
  return (rows ?? []).map(({ kind, count }) => [{ kind }, count]);
}

/** SQLite tells the length of a BLOB without reading it. */
const ledgerBytes = ({ database }: Store): number =>
  database
    .prepare(
      `SELECT ifnull((SELECT sum(length(n.payload)) FROM edit_activations AS a JOIN edit_entries AS n ON n.id = a.entry
                       WHERE a.to_seq IS NULL), 0)
            + ifnull((SELECT sum(length("values")) FROM edit_rows), 0)
            + ifnull((SELECT sum(length(delta)) FROM edit_deltas), 0)`,
    )
    .pluck()
    .get() as number;

function tasks({ current }: ServerState): Sample[] {
  const rows = current?.store.database
    .prepare('SELECT kind, state, count(*) AS count FROM tasks GROUP BY kind, state')
    .all() as { kind: string; state: string; count: number }[] | undefined;
  return (rows ?? []).map(({ kind, state, count }) => [{ kind, state }, count]);
}

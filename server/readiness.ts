import { accessSync, constants } from 'node:fs';
import { EditLog } from '../editing/edit-log.ts';
import type { Replica } from './replication/replica.ts';
import type { ServerState } from './route.ts';

/** What has to be so before queries are sent here. */
export const readinessChecks = ['model', 'store', 'version', 'replica'] as const;
export type ReadinessCheck = (typeof readinessChecks)[number];

export interface Readiness {
  readonly status: 'ready' | 'loading' | 'closing' | 'failing';
  /** `ok`, or what is missing. */
  readonly checks: { readonly [C in ReadinessCheck]: string };
}

/**
 * Whether to send queries here: every inference thread is up, the data folder can be read and written, searches answer
 * from a version that was published, and it is the one that others answer from, or was before the database was lost.
 */
export function readiness({ phase, current, sharing }: ServerState): Readiness {
  if (phase === 'closing' || !current) {
    const missing = phase === 'closing' ? 'closing' : 'loading';
    return { status: missing, checks: { model: missing, store: missing, version: missing, replica: missing } };
  }
  const model = current.ready ? 'ok' : 'an inference thread is starting anew';
  const store = problemOf(() => {
    accessSync(current.store.database.name, constants.R_OK | constants.W_OK);
    current.store.database.prepare('SELECT 1 FROM meta LIMIT 1').get();
  });
  const version = problemOf(() => {
    // The log may be ahead by the edit that is being published, never behind.
    const { last } = new EditLog(current.store);
    if (last < current.editSeq) throw new Error(`the log ends with edit ${last}, before ${current.editSeq}`);
  });
  const replica = sharing ? ofReplica(sharing.replica) : { check: 'ok', status: 'ready' as const };
  const checks = { model, store, version, replica: replica.check };
  const failing = store !== 'ok' || version !== 'ok' || replica.status === 'failing';
  const ready = phase === 'ready' && model === 'ok' && replica.status === 'ready';
  const status = failing ? 'failing' : ready ? 'ready' : 'loading';
  return { status, checks };
}

/** So many edits others may be ahead before queries are better sent to them. */
const mostBehind = 100;

/**
 * A server that has known all edits once goes on answering without the database, as of the last edit it knows: all searchers
 * would go at once otherwise. Where the database answers and many edits are missing, others know better.
 */
function ofReplica(replica: Replica): { check: string; status: Readiness['status'] } {
  const { connected, lagEdits, problem } = replica.status;
  if (replica.ended !== undefined) return { check: replica.ended, status: 'failing' };
  const behind = lagEdits ? `${lagEdits} edits behind` : 'ok';
  if (!replica.wasComplete) return { check: problem ?? 'reading the stream of edits', status: 'loading' };
  if (!connected) return { check: problem ?? 'no answer of the database', status: 'ready' };
  return { check: behind, status: lagEdits > mostBehind ? 'loading' : 'ready' };
}

function problemOf(look: () => void): string {
  try {
    look();
    return 'ok';
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    return typeof code === 'string' ? code : 'failed';
  }
}

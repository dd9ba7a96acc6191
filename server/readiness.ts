import { accessSync, constants } from 'node:fs';
import { EditLog } from '../editing/edit-log.ts';
import type { ServerState } from './route.ts';

/** What has to be so before queries are sent here. */
export const readinessChecks = ['model', 'store', 'version'] as const;
export type ReadinessCheck = (typeof readinessChecks)[number];

export interface Readiness {
  readonly status: 'ready' | 'loading' | 'closing' | 'failing';
  /** `ok`, or what is missing. */
  readonly checks: { readonly [C in ReadinessCheck]: string };
}

/**
 * Whether to send queries here: every inference thread is up, the data folder can be read and written, and searches answer
 * from a version that was published.
 */
export function readiness({ phase, current }: ServerState): Readiness {
  if (phase === 'closing' || !current) {
    const missing = phase === 'closing' ? 'closing' : 'loading';
    return { status: missing, checks: { model: missing, store: missing, version: missing } };
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
  const checks = { model, store, version };
  const failing = store !== 'ok' || version !== 'ok';
  const status = failing ? 'failing' : phase === 'ready' && model === 'ok' ? 'ready' : 'loading';
  return { status, checks };
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

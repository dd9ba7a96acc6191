import type { Store } from '../../corpus/store.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { baseOf } from '../data-folder.ts';
import type { Found } from './registry.ts';
import type { Task, TaskKind } from './task.ts';

/** Looks for what a task did whose process died before it could tell. */
export function foundIn(store: Store): (task: Task) => Found {
  const log = new EditLog(store);
  const finders: { readonly [K in TaskKind]?: (input: Readonly<Record<string, unknown>>) => Found } = {
    edit({ idempotencyKey }) {
      const edit = typeof idempotencyKey === 'string' ? log.keyed(idempotencyKey) : undefined;
      return edit && { result: edit.outcome };
    },
    compaction({ folded }) {
      const { folded: seq } = log;
      if (typeof folded !== 'number' || seq <= folded) return undefined;
      const { folder, version } = baseOf(store);
      return { result: { folder, version, seq, edits: seq - folded } };
    },
  };
  return ({ kind, input }) => finders[kind]?.((input ?? {}) as Record<string, unknown>);
}

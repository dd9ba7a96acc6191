import type { Store } from '../../corpus/store.ts';
import type { EditOutcome } from '../../editing/operations.ts';
import type { EditFigures } from '../../editing/gate.ts';
import type { AuditAction, EventAction } from './actions.ts';

/** Who does something. */
export interface Actor {
  /** Name of a key; `command line` beside a server that is stopped. */
  readonly name: string;
  readonly requestId: string | null;
}

export const commandLine: Actor = { name: 'command line', requestId: null };

export interface AuditEntry {
  /** `edit-12` or `event-3`. */
  readonly id: string;
  /** ISO 8601 */
  readonly at: string;
  /** Null for an edit of somebody who gave no name. */
  readonly actor: string | null;
  readonly action: AuditAction;
  /** The number of an edit, the name of a key, the number of a task, the name of a snapshot. */
  readonly subject: string;
  /** JSON that says more; never a secret, never a text. */
  readonly details: unknown;
  /** Of an edit: what it did to Success@1. */
  readonly figures: EditFigures | null;
  readonly requestId: string | null;
}

export interface AuditQuery {
  readonly actor?: string | undefined;
  readonly action?: AuditAction | undefined;
  /** Edits of this document alone. */
  readonly docid?: string | undefined;
  /** Entries older than the one of this id. */
  readonly before?: string | undefined;
  readonly limit: number;
}

interface Row extends Omit<AuditEntry, 'details' | 'figures'> {
  details: string;
  outcome: string | null;
}

const entries = `
  WITH entries AS (
    SELECT 'edit-' || seq AS id, at, author AS actor, kind AS action, CAST(seq AS TEXT) AS subject,
           json_object('operations', json(operations)) AS details, outcome, request_id AS requestId, seq AS number
      FROM edits
    UNION ALL
    SELECT 'event-' || id, at, actor, action, subject, details, NULL, request, id FROM audit_events
  )`;

/** Who did what: edits from their log, everything else from events. Entries are never changed or removed. */
export class AuditLog {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /** To be called in the transaction of what it tells of, where there is one. */
  write({ name, requestId }: Actor, action: EventAction, subject: string, details: object = {}): void {
    this.store.database
      .prepare('INSERT INTO audit_events (at, actor, action, subject, details, request) VALUES (?, ?, ?, ?, ?, ?)')
      .run(new Date().toISOString(), name, action, subject, JSON.stringify(details), requestId);
  }

  /** Newest first. */
  list({ actor, action, docid, before, limit }: AuditQuery): AuditEntry[] {
    const rows = this.store.database
      .prepare(
        `${entries}
         SELECT id, at, actor, action, subject, details, outcome, requestId FROM entries
          WHERE (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
            AND (:docid IS NULL OR id IN (SELECT 'edit-' || seq FROM edit_documents
                                           WHERE docid = :docid OR docid_before = :docid))
            AND (:before IS NULL OR (at, number, id) < (SELECT at, number, id FROM entries WHERE id = :before))
          ORDER BY at DESC, number DESC, id DESC LIMIT :limit`,
      )
      .all({
        ...{ actor: actor ?? null, action: action ?? null, docid: docid ?? null },
        before: before ?? null,
        limit,
      }) as Row[];
    return rows.map(({ details, outcome, ...entry }) => ({
      ...entry,
      details: JSON.parse(details) as unknown,
      figures: outcome === null ? null : (JSON.parse(outcome) as EditOutcome).figures,
    }));
  }
}

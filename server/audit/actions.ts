/** What is written down beside edits, which have a log of their own. */
export const eventActions = [
  'key.create',
  'key.rotate',
  'key.revoke',
  'analysis.start',
  'compaction.start',
  'evaluation.start',
  'export.start',
  'export.delete',
  'import.start',
  'snapshot.create',
  'snapshot.delete',
  'task.cancel',
] as const;
export type EventAction = (typeof eventActions)[number];

export const auditActions = ['edit', 'undo', 'revert', ...eventActions] as const;
export type AuditAction = (typeof auditActions)[number];

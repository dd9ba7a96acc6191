/** What goes in and out of the audit log. */
import { z } from 'zod';
import { maxDocidLength } from '../../corpus/documents.ts';
import { limits } from '../limits.ts';
import { named } from '../named-schemas.ts';
import { editFigures, integerText } from '../schemas.ts';
import { auditActions } from './actions.ts';

export const auditParameters = z.strictObject({
  actor: z.string().max(100).optional().describe('What this key did.'),
  action: z.enum(auditActions).optional(),
  docid: z.string().min(1).max(maxDocidLength).optional().describe('Edits of this document.'),
  before: z
    .string()
    .regex(/^(edit|event)-\d{1,15}$/)
    .optional()
    .describe('Entries older than the one of this id.'),
  limit: integerText(100, z.int().min(1).max(limits.page)),
});

export const auditResponse = named(
  'AuditResponse',
  z.strictObject({
    entries: z.array(
      z.strictObject({
        id: z.string(),
        at: z.string().meta({ format: 'date-time' }),
        actor: z.string().nullable().describe('Name of a key; null where an edit at the command line named nobody.'),
        action: z.enum(auditActions),
        subject: z.string().describe('The number of an edit or a task, the name of a key or a snapshot.'),
        details: z.unknown().describe('Says more; never a secret, never a text.'),
        figures: editFigures.nullable().describe('Of an edit.'),
        requestId: z
          .string()
          .nullable()
          .describe('`X-Request-Id` of the request, as the log has it; null of the command line.'),
      }),
    ),
  }),
);
export type AuditResponse = z.output<typeof auditResponse>;

/** What goes in and out of the running of a server: keys, who did what. */
import { z } from 'zod';
import { exportName } from './folding/export-name.ts';
import { keyName } from './keys/keys.ts';
import { scopes } from './keys/scope.ts';
import { limits } from './limits.ts';
import { named } from './named-schemas.ts';
import type { ReadinessCheck } from './readiness.ts';
import { wholeNumber } from './schemas.ts';

const instant = z.string().meta({ format: 'date-time' });

const keyFields = {
  name: z.string().describe('Stands as the author in the list of edits.'),
  scope: z.enum(scopes).describe('What it permits, each including the ones before it.'),
  perMinute: z.int().min(1).nullable().describe('Requests in a minute, in place of what the server allows.'),
  createdAt: instant,
  expiresAt: instant.nullable().describe('Not valid from then on.'),
  lastUsedAt: instant.nullable().describe('To the hour.'),
  previousUntil: instant.nullable().describe('Until then the secret before the last rotation is valid too.'),
};

export const keyView = named('Key', z.strictObject(keyFields));
export type KeyView = z.output<typeof keyView>;

export const keysResponse = named('KeysResponse', z.strictObject({ keys: z.array(keyView) }));
export type KeysResponse = z.output<typeof keysResponse>;

export const madeKey = named(
  'MadeKey',
  z.strictObject({
    ...keyFields,
    secret: z.string().describe('What callers send. It is not kept: nobody can read it again.'),
  }),
);
export type MadeKeyView = z.output<typeof madeKey>;

export const newKey = named(
  'NewKey',
  z.strictObject({
    name: z.string().regex(keyName).describe('1 to 64 letters, digits, or any of _ . : @ -'),
    scope: z.enum(scopes),
    expiresAt: z.iso
      .datetime({ offset: true })
      .refine((at) => Date.parse(at) > Date.now(), 'expected a time to come')
      .optional()
      .describe('Never where left out.'),
    perMinute: z.int().min(1).max(limits.perMinute).optional(),
  }),
);

/** Seconds that a replaced secret stays valid at most. */
const maxGrace = 30 * 24 * 3600;

export const rotation = named(
  'KeyRotation',
  z.strictObject({
    graceSeconds: z
      .int()
      .min(0)
      .max(maxGrace)
      .default(24 * 3600)
      .describe('How long the secret before is still valid; 0 where others have come to know it.'),
  }),
);

const check = z.string().describe('`ok`, or what is missing.');

export const readinessResponse = named(
  'Readiness',
  z.strictObject({
    status: z
      .enum(['ready', 'loading', 'closing', 'failing'])
      .describe('failing: the data folder is not as it should be.'),
    checks: z.strictObject({ model: check, store: check, version: check, replica: check } satisfies Record<
      ReadinessCheck,
      z.ZodType
    >),
  }),
);
export type ReadinessResponse = z.output<typeof readinessResponse>;

export const snapshotView = named(
  'Snapshot',
  z.strictObject({
    name: z.string().describe('Name of its folder.'),
    createdAt: instant,
    editSeq: z.int().min(0).describe('Number of the last edit in it.'),
    documents: z.int().min(0),
    modelVersion: z.string().describe('Of the base model that its edits belong to.'),
    bytes: z.int().min(0),
  }),
);
export type SnapshotView = z.output<typeof snapshotView>;

export const compactionRequest = named(
  'CompactionRequest',
  z.strictObject({
    removeTraces: z
      .boolean()
      .default(false)
      .describe('Take what training on deleted documents left in the words out of them too.'),
  }),
);

export const exportRequest = named(
  'ExportRequest',
  z.strictObject({
    name: z
      .string()
      .regex(exportName)
      .optional()
      .describe('Of the export: letters, digits, and any of _ . - but at the beginning; the time where left out.'),
  }),
);

export const exportView = named(
  'Export',
  z.strictObject({
    name: z.string(),
    createdAt: instant,
    editSeq: z.int().min(0).describe('Number of the last edit in it.'),
    documents: z.int().min(0),
    files: z.array(z.strictObject({ path: z.string(), bytes: z.int().min(0) })),
  }),
);
export type ExportView = z.output<typeof exportView>;

export const exportsResponse = named('ExportsResponse', z.strictObject({ exports: z.array(exportView) }));
export type ExportsResponse = z.output<typeof exportsResponse>;

export const snapshotParameters = z.strictObject({
  keep: wholeNumber(z.int().min(1).max(10_000))
    .optional()
    .describe('Remove all but the newest so many snapshots, once this one is whole.'),
});

export const snapshotsResponse = named('SnapshotsResponse', z.strictObject({ snapshots: z.array(snapshotView) }));
export type SnapshotsResponse = z.output<typeof snapshotsResponse>;

/** What goes in and out of edits over HTTP. */
import { z } from 'zod';
import { maxDocidLength, splits } from '../corpus/documents.ts';
import { editLimits } from '../editing/operations.ts';
import { limits } from './limits.ts';
import { named } from './named-schemas.ts';
import { editFigures, integerText, queryText } from './schemas.ts';
import { taskLimits } from './tasks/task.ts';

// What a docid, a text and metadata may hold is checked where they are stored.
const docid = z.string().min(1).max(maxDocidLength);
const title = z.string().max(editLimits.textLength).optional();
const text = z.string().max(editLimits.textLength);
// Passed on as it came: z.record would drop a field `__proto__`.
const metadata = z
  .unknown()
  .refine((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'expected an object')
  .meta({ type: 'object', additionalProperties: {} })
  .optional();
const queries = z
  .array(queryText)
  .min(1)
  .max(editLimits.queries)
  .optional()
  .describe('Questions that the document answers; made from its text where left out.');

const content = { title, text, metadata, queries };

/** A document that is not there yet. */
export const newDocument = named('NewDocument', z.strictObject({ docid, ...content }));
export type NewDocumentBody = z.output<typeof newDocument>;

/** All that a document says from now on. */
export const documentContent = named('DocumentContent', z.strictObject(content));

const expectedVersion = z.int().min(1).optional().describe('412 where the document has another version.');

const editOperation = named(
  'EditOperation',
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('add'), document: newDocument }),
    z.strictObject({
      kind: z.literal('change'),
      docid,
      document: z.strictObject({ ...content, text: text.optional() }).describe('What is left out stays as it is.'),
      expectedVersion,
    }),
    z.strictObject({
      kind: z.literal('delete'),
      docid,
      expectedVersion,
      forget: z.boolean().optional().describe('Erase all that the document ever said; it cannot be undone then.'),
    }),
    z.strictObject({ kind: z.literal('rename'), docid, to: docid, expectedVersion }),
  ]),
);
export type EditOperationBody = z.output<typeof editOperation>;

export const documentsRequest = named(
  'DocumentsRequest',
  z
    .strictObject({
      ...content,
      docid: docid.optional(),
      text: text.optional(),
      operations: z
        .array(editOperation)
        .min(1)
        .max(editLimits.operations)
        .optional()
        .describe('Several operations as one edit: all of them or none, each docid once.'),
    })
    .superRefine(({ operations, ...document }, context) => {
      const refuse = (path: string, message: string): void =>
        context.addIssue({ code: 'custom', path: [path], message });
      if (operations) {
        for (const field of Object.keys(document)) refuse(field, 'expected a document or operations, got both');
        return;
      }
      if (document.docid === undefined)
        refuse('docid', 'expected a document with its docid, or operations, got neither');
      else if (document.text === undefined) refuse('text', 'expected a string, got nothing');
    })
    .meta({
      oneOf: [
        { required: ['docid', 'text'], not: { required: ['operations'] } },
        {
          required: ['operations'],
          not: { anyOf: ['docid', 'title', 'text', 'metadata', 'queries'].map((field) => ({ required: [field] })) },
        },
      ],
    }),
);
export type DocumentsRequest = z.output<typeof documentsRequest>;

export const renameRequest = named(
  'RenameRequest',
  z.strictObject({ to: docid.describe('A docid that no document has.') }),
);

export const revertRequest = named(
  'RevertRequest',
  z.strictObject({
    to: z.int().min(0).describe('All edits after this one are taken back; 0 takes back all there are.'),
  }),
);

const flagText = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .pipe(z.boolean())
  .default(false);

const wait = integerText(30, z.int().min(0).max(taskLimits.waitSeconds)).describe(
  'Seconds to wait for the end. What takes longer is answered 202 with a task, and goes on.',
);
const dryRun = flagText.describe('Tell what would come of it, and change nothing.');

export const backParameters = z.strictObject({ dryRun, wait });

export const editParameters = z.strictObject({
  dryRun,
  budget: z
    .string()
    .regex(/^(0|1|0?\.\d{1,9})$/, 'expected a share from 0 to 1')
    .transform(Number)
    .pipe(z.number().min(0).max(1))
    .optional()
    .describe(
      'The largest fall of Success@1 on queries of old documents that is taken. Where left out: .01, and as much more as the ' +
        'number of added and changed documents makes likely, (1 − Success@1) · their number / that of documents; any fall ' +
        'where none is added or changed.',
    ),
  wait,
});
export type EditParameters = z.output<typeof editParameters>;

export const deleteParameters = editParameters.extend({
  forget: flagText.describe('Erase all that the document ever said. It cannot be undone then.'),
});

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const seq = z.int().min(1);
export const editOutcome = named(
  'EditOutcome',
  z.strictObject({
    seq: seq.nullable().describe('Number of the edit; null of a dry run.'),
    accepted: z.boolean().describe('Whether it costs old documents no more than the budget.'),
    budget: share.nullable().describe('The largest fall of Success@1 that it may cost; null: any.'),
    figures: editFigures,
    documents: z
      .array(z.strictObject({ docid: z.string(), version: seq.nullable() }))
      .describe('By the docids of after the edit. The version is null where nothing was changed.'),
    seconds: z.number().min(0),
    bytes: count.describe('Written for the edit, without the documents.'),
  }),
);

export const editView = named(
  'Edit',
  z.strictObject({
    seq,
    kind: z.enum(['edit', 'undo', 'revert']),
    author: z.string().nullable().describe('Name of the API key.'),
    at: z.string().meta({ format: 'date-time' }),
    operations: z.array(
      z.strictObject({
        kind: z.enum(['add', 'change', 'delete', 'rename', 'undo', 'revert']),
        docid: z.string().optional(),
        renamedTo: z.string().optional(),
        seq: count.optional().describe('Of an undo the edit, of a revert the edit after which all was as it is now.'),
        forget: z.literal(true).optional(),
      }),
    ),
    undoes: z.array(seq).describe('Edits that it took back.'),
    undoneBy: seq.nullable().describe('The edit that took it back; null while it is in force.'),
    folded: z.boolean().describe('Part of the base model by now, by "compact": it cannot be undone.'),
    figures: editFigures,
    seconds: z.number().min(0),
    bytes: count,
  }),
);
export type EditView = z.output<typeof editView>;

export const editsResponse = named(
  'EditsResponse',
  z.strictObject({ edits: z.array(editView), last: count.describe('Number of the newest edit; 0 before the first.') }),
);
export type EditsResponse = z.output<typeof editsResponse>;

export const editsParameters = z.strictObject({
  docid: docid.optional().describe('Only edits of this document.'),
  before: integerText(2 ** 31, z.int().min(1)).describe('Only edits older than this one: the next page.'),
  limit: integerText(20, z.int().min(0).max(1000)).describe('Edits in the list.'),
});

export const importParameters = z.strictObject({
  budget: editParameters.shape.budget,
  batch: integerText(16, z.int().min(1).max(256)).describe(
    'Lines that become one edit, at most: as many as have come while the edit before was made, or with `task` this many.',
  ),
  task: flagText.describe('Answer 202 with a task as soon as all lines have come, and add them by and by.'),
});
export type ImportParameters = z.output<typeof importParameters>;

export const resultsParameters = z.strictObject({
  after: integerText(0, z.int().min(0)).describe('Only lines behind this one: the next page.'),
  failed: flagText.describe('Only lines that were not added.'),
  limit: integerText(limits.importLines, z.int().min(1).max(limits.importLines)).describe('Lines at most.'),
});

/** One line of the answer of an import. */
export const importLine = named(
  'ImportLine',
  z.strictObject({
    line: z.int().min(1).describe('Of the body, blank lines counted.'),
    docid: z.string().nullable().describe('Null where the line has none that can be read.'),
    status: z.int().describe('As POST /documents would have answered: 201, 400, 409, 422, 503.'),
    seq: seq.nullable(),
    version: seq.nullable(),
    code: z.string().optional().describe('Of the problem.'),
    detail: z.string().optional(),
    errors: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
  }),
);
export type ImportLine = z.output<typeof importLine>;

const judgedQuery = z.strictObject({
  query: queryText,
  relevant: z.array(docid).min(1).max(100).describe('Docids of now of the documents that answer it.'),
});

export const evaluationRequest = named(
  'EvaluationRequest',
  z
    .strictObject({
      before: count
        .optional()
        .describe('An edit; 0 is the model as it was trained. The base model of all edits where left out.'),
      after: count.optional().describe('An edit; the newest where left out.'),
      split: z.enum(splits).optional().describe('Judged queries of the corpus: test where left out, or dev, or train.'),
      queries: z.array(judgedQuery).min(1).max(limits.judged).optional().describe('Queries of the caller instead.'),
    })
    .refine(({ split, queries }) => !split || !queries, {
      path: ['queries'],
      message: 'expected split or queries, got both',
    }),
);
export type EvaluationRequest = z.output<typeof evaluationRequest>;

export const evaluationParameters = z.strictObject({
  wait: integerText(0, z.int().min(0).max(taskLimits.waitSeconds)).describe('Seconds to wait for the end of the task.'),
});

const measureValues = z.record(z.string(), share).describe('Success@1, Success@10, RR@10, nDCG@10.');
const groupComparison = z
  .strictObject({
    queries: z.int().min(1),
    before: measureValues,
    after: measureValues,
    onlyBefore: count.describe('Queries that find their document at rank 1 before only.'),
    onlyAfter: count,
    p: share.describe('McNemar’s exact test of these two counts.'),
  })
  .nullable();
const evaluated = z.strictObject({ seq: count, documents: count.describe('That the model can find.') });

/** The result of the task. */
export const evaluation = named(
  'Evaluation',
  z.strictObject({
    split: z.enum(splits).nullable().describe('Null for queries of the caller.'),
    before: evaluated,
    after: evaluated,
    groups: z.strictObject({
      kept: groupComparison.describe('Queries of documents that are in the model before and after.'),
      added: groupComparison.describe('Of documents that are there after only.'),
      removed: groupComparison.describe('Of documents that were there before only.'),
    }),
  }),
);
export type Evaluation = z.output<typeof evaluation>;

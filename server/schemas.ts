/**
 * What goes in and out over HTTP. Requests are checked against these schemas and the OpenAPI document is made from them,
 * so the two cannot differ. Requests are strict: a field that nobody reads is a mistake of the caller.
 */
import { z } from 'zod';
import { DEFAULT_BEAMS } from '../models/beam/beams.ts';
import { experimentNames, experimentWords } from '../analysis/experiments/names.ts';
import { rankings } from '../analysis/population.ts';
import { stagesSchema } from '../analysis/stages.ts';
import { maxDocidLength } from '../corpus/documents.ts';
import { explanation, pathExplanation } from './explanation-schema.ts';
import { modes } from './index-service.ts';
import { limits } from './limits.ts';
import { roles } from './replication/role.ts';
import { named } from './named-schemas.ts';
import { rowSearches } from './row-graphs.ts';
import { taskKinds, taskLimits, taskStates } from './tasks/task.ts';

/** The type of a body that is JSON by lines. */
export const jsonLines = 'application/x-ndjson';

export const queryText = z
  .string()
  .min(1, { abort: true })
  .max(limits.queryCharacters)
  .regex(/\S/, 'expected some text, got only white space')
  .describe('A question or keywords.');
const k = z
  .int()
  .min(1)
  .max(limits.k)
  .default(10)
  .describe(
    `Candidates for each query, at most. Queries times k may be ${limits.candidates} in all, ${limits.candidatesWithDocuments} with includeDocument.`,
  );
const mode = z
  .enum(modes)
  .default('genir')
  .describe('Who ranks: the model (genir), BM25 full-text search (bm25), or both together (hybrid).');
const beamsNumber = z.int().min(1).max(limits.beams);
const beamsText =
  `Where docids are paths of several tokens: prefixes that are followed at each step of the search, never fewer than k (default ${DEFAULT_BEAMS}). ` +
  'More find what fewer miss, and take longer. It changes nothing where docids are single tokens, or with mode bm25. ' +
  `Queries times beams may be ${limits.candidates} in all.`;
const docidList = z.array(z.string().min(1).max(maxDocidLength)).max(limits.docids);
// Passed on as it came: z.record would drop a field `__proto__`, and a dropped condition lets documents out.
const filter = z
  .unknown()
  .refine((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'expected an object')
  .meta({ type: 'object', additionalProperties: {} })
  .describe(
    'A condition on the metadata: {"category": "history", "year": {"gte": 1900}, "or": [...]}. A list means any of; ' +
      'operators are eq, ne, in, nin, gt, gte, lt, lte, exists; and, or, not combine. ' +
      'No field begins with $.',
  );
const flag = (fallback: boolean): z.ZodDefault<z.ZodBoolean> => z.boolean().default(fallback);

export const retrieveRequest = named(
  'RetrieveRequest',
  z
    .strictObject({
      query: queryText.optional(),
      queries: z.array(queryText).min(1).max(limits.queries).optional().describe('Several queries in one call.'),
      k,
      mode,
      beams: beamsNumber.optional().describe(beamsText),
      filter: filter.optional(),
      allow: docidList.optional().describe('Only these docids.'),
      deny: docidList.optional().describe('None of these docids.'),
      includeDocument: flag(false).describe(
        `Put the document into each candidate; queries times k may then be ${limits.candidatesWithDocuments} in all.`,
      ),
      includeScores: flag(true),
      explain: flag(false).describe(
        `Explain the first ${limits.explained} candidates; for one query, with mode genir. To explain one certain document, allow it alone.`,
      ),
    })
    .refine(({ query, queries }) => (query === undefined) !== (queries === undefined), {
      path: ['query'],
      message: 'expected exactly one of query and queries',
    })
    .superRefine((request, context) => {
      const asked = (request.queries?.length ?? 1) * request.k;
      const limit = request.includeDocument ? 'candidatesWithDocuments' : 'candidates';
      if (asked <= limits[limit]) return;
      const message = `expected at most ${limits[limit]} candidates in all (limits.${limit}), got ${asked} (queries × k); ask for fewer at a time`;
      context.addIssue({ code: 'custom', path: ['k'], message });
    })
    .superRefine(({ beams = 1, queries }, context) => {
      const asked = (queries?.length ?? 1) * beams;
      if (beams > limits.beams || asked <= limits.candidates) return;
      const message = `expected at most ${limits.candidates} beams in all (limits.candidates), got ${asked} (queries × beams); ask for fewer at a time`;
      context.addIssue({ code: 'custom', path: ['beams'], message });
    })
    .superRefine(({ explain, queries, mode }, context) => {
      if (!explain) return;
      const refuse = (expected: string, actual: string): void =>
        context.addIssue({ code: 'custom', path: ['explain'], message: `expected ${expected}, got ${actual}` });
      if (queries) refuse('query, since one query is explained at a time', 'queries');
      if (mode !== 'genir') refuse('mode genir, since only the model can be explained', mode);
    })
    .meta({ oneOf: [{ required: ['query'] }, { required: ['queries'] }] }),
);
export type RetrieveRequest = z.output<typeof retrieveRequest>;

export const wholeNumber = (schema: z.ZodType<number, number>) =>
  z
    .string()
    .regex(/^-?\d{1,9}$/, 'expected a whole number')
    .transform(Number)
    .pipe(schema);
export const integerText = (fallback: number, schema: z.ZodType<number, number>): z.ZodType<number> =>
  wholeNumber(schema).default(fallback);

export const retrieveParameters = z.strictObject({
  query: queryText,
  k: integerText(10, z.int().min(1).max(limits.k)),
  mode,
  beams: wholeNumber(beamsNumber).optional().describe(beamsText),
});

export const documentsParameters = z.strictObject({
  offset: integerText(0, z.int().min(0)).describe('Documents to pass over.'),
  limit: integerText(20, z.int().min(0).max(limits.page)).describe('Documents on the page.'),
  q: queryText
    .optional()
    .describe(`Only documents that BM25 finds for these words, best first; the first ${limits.k} of them.`),
  filter: z.string().max(10_000).optional().describe('The filter of POST /retrieve as JSON text.'),
});

export const documentView = named(
  'Document',
  z.strictObject({
    docid: z.string(),
    title: z.string(),
    text: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    version: z.int().min(1).describe('Goes up by one with every change.'),
  }),
);
export type DocumentView = z.output<typeof documentView>;

export const candidate = named(
  'Candidate',
  z.strictObject({
    docid: z.string(),
    rank: z.int().min(1),
    score: z
      .number()
      .optional()
      .describe(
        'genir: natural logarithm of the probability, among the documents that may come out or, where docids are paths of several tokens, of the whole path over the whole vocabulary (where /info says rows: hnsw, the sum over all documents that is taken from all scores of a query is an estimate); hybrid: the same among the candidates of both lists; bm25: the BM25 score.',
      ),
    document: documentView.optional(),
    explanation: explanation
      .optional()
      .describe('With explain, for the first candidates, where docids are single tokens.'),
    pathExplanation: pathExplanation
      .optional()
      .describe('With explain, for the first candidates, where docids are paths of several tokens.'),
  }),
);
export type Candidate = z.output<typeof candidate>;

const queryView = z.strictObject({ text: z.string() });
const answered = {
  modelVersion: z.string().describe('Content hash of the model folder.'),
  editSeq: z
    .int()
    .min(0)
    .describe('Number of the last edit that the answer knows of; 0 is the model as it was trained.'),
  tookMs: z.number().min(0),
};

export const retrieveResponse = named(
  'RetrieveResponse',
  z.strictObject({ query: queryView, candidates: z.array(candidate), ...answered }),
);
export type RetrieveResponse = z.output<typeof retrieveResponse>;

export const retrieveBatchResponse = named(
  'RetrieveBatchResponse',
  z.strictObject({
    results: z.array(z.strictObject({ query: queryView, candidates: z.array(candidate) })),
    ...answered,
  }),
);
export type RetrieveBatchResponse = z.output<typeof retrieveBatchResponse>;

export const documentsResponse = named(
  'DocumentsResponse',
  z.strictObject({ documents: z.array(documentView), total: z.int().min(0), offset: z.int(), limit: z.int() }),
);
export type DocumentsResponse = z.output<typeof documentsResponse>;

export const healthResponse = named(
  'Health',
  z.strictObject({ status: z.enum(['ok', 'loading', 'ready', 'closing']) }),
);
export type HealthResponse = z.output<typeof healthResponse>;

const proportion = z.number().min(0).max(1);
const circuitView = z.strictObject({
  kept: z.int().min(0).describe('Components of the decoder that work; the others are constants.'),
  components: z.int().min(1),
  loss: z.strictObject({
    searched: z
      .strictObject({ mean: proportion, low: proportion, high: proportion })
      .describe('Share of the queries that it was searched with whose document leaves rank 1, with its 95 % interval.'),
    test: z
      .strictObject({ queries: z.int().min(1), full: proportion, circuit: proportion })
      .nullable()
      .describe('Success@1 on the test split of the whole decoder and of the circuit.'),
  }),
});

export const infoResponse = named(
  'Info',
  z.strictObject({
    name: z.string(),
    version: z.string(),
    model: z.strictObject({
      name: z.string(),
      version: z.string(),
      scheme: z.string(),
      parameters: z.int(),
      sizeBytes: z.int(),
      docids: z.int().describe('Documents that the model can generate.'),
      liveDocids: z.int().describe('Those of them that are in the corpus now.'),
      corpusFingerprint: z.string().nullable(),
      circuit: circuitView.nullable().describe('The part of the decoder that answers; null where all of it does.'),
      rows: z
        .enum(rowSearches)
        .describe('How the best docid rows are found: all are looked at, or graphs lead to them, which miss few.'),
    }),
    corpus: z.strictObject({
      name: z.string(),
      documents: z.int(),
      fingerprint: z.string().nullable().describe('SHA-256 over the documents as they were imported.'),
      categories: z.array(z.string()).describe('Values of the metadata field category, where documents have one.'),
    }),
    editSeq: z.int().min(0),
    role: z.enum(roles),
    replica: z
      .strictObject({
        connected: z.boolean().describe('Whether the database answered when it was asked last.'),
        edits: z.boolean().describe('Whether this server is the one that edits.'),
        streamSeq: z.int().min(0).nullable().describe('Number of the last edit that the database was seen to have.'),
        lagEdits: z.int().min(0).describe('Edits that searches here do not know of.'),
        lagSeconds: z
          .number()
          .min(0)
          .describe('Since nothing was missing here, as far as is known; 0 where nothing is.'),
      })
      .nullable()
      .describe('Where several servers have the index in common.'),
    runtime: z.strictObject({ node: z.string(), onnxruntime: z.string() }),
    limits: z.record(z.string(), z.int()),
  }),
);
export type InfoResponse = z.output<typeof infoResponse>;

export const analysisRequest = named(
  'AnalysisRequest',
  z.strictObject({
    experiments: z
      .array(z.enum(experimentWords))
      .min(1)
      .optional()
      .describe(
        'Names, or the numbers of arXiv 2503.19715; all where left out. Those that find the stages are always made.',
      ),
    ranking: z
      .enum(rankings)
      .default('vocabulary')
      .describe(
        'Where a document must be first for its query to be looked at: in the whole vocabulary, or among docids.',
      ),
    limit: z.int().min(1).max(limits.analysed).default(400).describe('Correct queries that are looked at, at most.'),
    seed: z.int().min(0).max(1e9).default(1).describe('Of every draw.'),
  }),
);
export type AnalysisRequest = z.output<typeof analysisRequest>;

const count = z.int().min(0);
/** What `analysis/` writes as its summary. */
export const analysisSummary = z.strictObject({
  date: z.string().meta({ format: 'date-time' }),
  model: z.strictObject({
    name: z.string(),
    digest: z.string().describe('SHA-256 over configuration, tokenizer, docids and weights.'),
    documents: count,
    encoderLayers: count,
    decoderLayers: count,
    dModel: count,
  }),
  corpus: z.string(),
  split: z.enum(['dev', 'test']).describe('Of the queries.'),
  population: z.strictObject({
    ranking: z.enum(rankings),
    asked: count.describe('Queries with a relevant document in the model.'),
    correct: z.strictObject({ vocabulary: count, docids: count }).describe('Those whose document has rank 1.'),
    questions: count.describe('Correct queries that were looked at.'),
  }),
  seed: count,
  stages: stagesSchema
    .nullable()
    .describe(
      'Layers from `from` up to but not including `to`; null where there is no such stage. Null as a whole where docids are paths of several tokens: each step then has its own, in report.json.',
    ),
  notStored: z
    .string()
    .nullable()
    .describe('Why the stages are not in the genir.json of the model; null where they are.'),
  findings: z.record(z.string(), z.array(z.string())).describe('Sentences, by section of the report.'),
  seconds: z.partialRecord(z.enum(experimentNames), z.number()).describe('Time of each experiment when it was made.'),
});

export const analysisView = named(
  'Analysis',
  analysisSummary.extend({
    links: z.strictObject({ page: z.string(), report: z.string() }).describe('Paths of the whole report.'),
  }),
);
export type AnalysisView = z.output<typeof analysisView>;

const instant = z.string().meta({ format: 'date-time' });
const taskFields = {
  id: z.int().min(1),
  kind: z.enum(taskKinds),
  state: z
    .enum(taskStates)
    .describe(
      'interrupted: the server closed or died before the end. Imports go on by themselves when it starts again.',
    ),
  createdAt: instant,
  startedAt: instant.nullable(),
  finishedAt: instant.nullable().describe('Null until the task has ended.'),
  input: z.unknown().describe('What was asked for.'),
  progress: z
    .strictObject({
      done: z.number(),
      total: z.number(),
      message: z.string(),
      secondsLeft: z.number().nullable().describe('Null while it cannot be told, and once the task has ended.'),
    })
    .nullable(),
  error: z
    .strictObject({
      code: z.string().describe('The code of the problem that a request would have got, or interrupted.'),
      message: z.string(),
    })
    .nullable(),
};

export const taskView = named(
  'Task',
  z.strictObject({
    ...taskFields,
    result: z.unknown().describe('What the kind of the task makes it; null until it has succeeded.'),
  }),
);
export type TaskView = z.output<typeof taskView>;

export const tasksResponse = named(
  'TasksResponse',
  z.strictObject({
    tasks: z.array(z.strictObject(taskFields)),
    total: z.int().min(0).describe('Tasks of this kind and state, also beyond the limit.'),
  }),
);
export type TasksResponse = z.output<typeof tasksResponse>;

export const tasksParameters = z.strictObject({
  kind: z.enum(taskKinds).optional(),
  state: z.enum(taskStates).optional(),
  limit: integerText(20, z.int().min(0).max(taskLimits.kept)).describe('Tasks in the list.'),
});

export const taskParameters = z.strictObject({
  wait: integerText(0, z.int().min(0).max(taskLimits.waitSeconds)).describe(
    'Seconds to wait for the end of the task before it is answered as it is.',
  ),
});

const beforeAfter = z.strictObject({ count: count.describe('Queries.'), before: proportion, after: proportion });

export const editFigures = named(
  'EditFigures',
  z.strictObject({
    canaries: beforeAfter.describe('Success@1 of queries of old documents that no edit is solved against.'),
    heldOut: beforeAfter.describe('Success@1 of queries of the edit itself that nothing was solved for.'),
    drift: z
      .strictObject({ before: z.number().min(0), after: z.number().min(0) })
      .describe('‖ΔW‖ / ‖W‖ over the edited matrices.'),
  }),
);

export const problem = named(
  'Problem',
  z.strictObject({
    type: z.string().describe('Address of the documentation of this kind of problem.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was expected, what came, what to do.'),
    instance: z.string().describe('Path of the request.'),
    code: z.string().describe('Stable name of the kind, for programs.'),
    errors: z.array(z.strictObject({ path: z.string(), message: z.string() })),
    figures: editFigures.optional().describe('Of an edit that was refused for what it would do.'),
    requestId: z.string(),
  }),
);
export type Problem = z.output<typeof problem>;

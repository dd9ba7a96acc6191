import { z } from 'zod';
import type { Entry, Explanation, PathEntry, PathExplanation, Reached } from '../analysis/explanation.ts';
import { componentTypes } from '../analysis/components.ts';
import { limits } from './limits.ts';
import { named } from './named-schemas.ts';

const documentEntry = z.strictObject({ docid: z.string() });
const wordEntry = z.strictObject({ word: z.string().describe('A piece of text; ▁ is the start of a word.') });
const entry: z.ZodType<Entry> = named('VocabularyEntry', z.union([documentEntry, wordEntry]));
const pathEntry: z.ZodType<PathEntry> = named(
  'PathVocabularyEntry',
  z.union([
    documentEntry.describe('A token that the docid of this document alone has.'),
    wordEntry,
    z.strictObject({ code: z.string().describe('A token of several docids that is no word.') }),
  ]),
);

const part = {
  type: z.enum(['embedding', ...componentTypes]),
  layer: z.int().min(-1).describe('−1 for the embedding.'),
};
const layer = z.int().min(0);
const ranks = {
  rank: z.int().min(1).describe('Among all live documents and words of the model; 1 is best.'),
  docidRank: z
    .int()
    .min(1)
    .describe('Among all live documents of the model, also those that filter, allow and deny keep from coming out.'),
};
const stepRanks = {
  rank: z.number().min(1).describe('In the whole vocabulary; 1 is best, equal ones share the mean.'),
  docidRank: z.number().min(1).describe('Among the tokens that may follow those before it.'),
};
const effect = {
  logit: z.number().describe('What it adds to the logit of the document or token.'),
  margin: z.number().describe("What it adds to the distance between that logit and the rival's."),
};
const editSeq = z
  .int()
  .min(0)
  .describe('The last edit of the model that is explained; 0 is the model as it was trained.');
const tokens = z.array(z.string()).describe('The query as the model reads it; ▁ is the start of a word.');

/** Who wrote a logit: what documents and tokens of a path have in common. */
const written = <E>(ofWhat: string, rank: typeof ranks | typeof stepRanks, promoted: z.ZodType<E>) => ({
  ranks: z
    .array(z.strictObject({ ...part, ...rank }))
    .describe(`Ranks of the ${ofWhat} by the logit lens, after each part of the decoder has written.`),
  contributions: z
    .array(
      z.strictObject({
        ...part,
        stage: z
          .enum(['priming', 'bridging', 'interaction'])
          .nullable()
          .describe('As "analyze" found it; null where there is none.'),
        ...effect,
      }),
    )
    .describe('Direct logit attribution: what each part adds. The sum is the logit, and the distance to the rival.'),
  heads: z
    .array(
      z.strictObject({
        layer,
        head: z.int().min(0),
        ...effect,
        attention: z.array(z.number()).describe('To each token of the query; sums to 1.'),
        wrote: z.array(promoted).describe('What it added, by the logit lens, best first.'),
      }),
    )
    .describe('Heads of cross-attention with the largest effects on the margin, largest first.'),
  neurons: z
    .array(
      z.strictObject({
        layer,
        neuron: z.int().min(0),
        activation: z.number(),
        ...effect,
        promotes: z.array(promoted).describe('What it added, by the logit lens, best first.'),
      }),
    )
    .describe('Neurons of MLPs with the largest effects on the margin, largest first.'),
});

/** `Explanation` of analysis/explanation.ts. */
export const explanation: z.ZodType<Explanation> = named(
  'Explanation',
  z.strictObject({
    editSeq,
    query: z.string(),
    tokens,
    docid: z.string(),
    ...ranks,
    logit: z.number(),
    rival: z
      .strictObject({ docid: z.string(), logit: z.number() })
      .nullable()
      .describe('The best other live document of all in the model; null where there is none.'),
    ...written('document', ranks, entry),
  }),
);

const path = z
  .array(z.string())
  .describe('Names of its tokens; ▁ is the start of a word, <new…> a token that an edit made for a document alone.');
const logProbability = z
  .number()
  .describe('Natural logarithm of the probability after the tokens before it, over the whole vocabulary.');
const reached: z.ZodType<Reached> = z.strictObject({
  path,
  score: z.number().describe('Natural logarithm of its probability.'),
  docid: z.string().nullable().describe('The document whose path it is; null for the beginning of paths.'),
});

/** `PathExplanation` of analysis/explanation.ts. */
export const pathExplanation: z.ZodType<PathExplanation> = named(
  'PathExplanation',
  z.strictObject({
    editSeq,
    query: z.string(),
    tokens,
    docid: z.string(),
    path,
    score: z.number().describe('Natural logarithm of the probability of the path: the sum over its steps.'),
    beams: z.int().min(1).max(limits.beams).describe('Prefixes that the search follows at each step.'),
    place: z
      .int()
      .min(1)
      .nullable()
      .describe(
        'Among the documents that a search of all live ones finds, whatever filter, allow and deny say; null where it does not find this one.',
      ),
    steps: z
      .array(
        z.strictObject({
          token: z.string(),
          logProbability,
          allowed: z.int().min(1).describe('How many tokens may follow, so that a live document can come of it.'),
          choices: z
            .array(
              z.strictObject({
                token: z.string(),
                docid: z
                  .string()
                  .nullable()
                  .describe(
                    'The document that alone has this token: at the end of its docid, or <new…> anywhere; null for others.',
                  ),
                logProbability,
                chosen: z.boolean().describe("Whether it is the document's."),
                kept: z
                  .boolean()
                  .describe('Whether the search went on with it, or found a document with it; else it is left behind.'),
              }),
            )
            .describe("The most probable of the tokens that may follow, and the document's; best first."),
          ...stepRanks,
          logit: z.number(),
          rival: z
            .strictObject({ token: z.string(), logit: z.number() })
            .nullable()
            .describe('The most probable other token that may follow; null where there is none.'),
          beam: z
            .strictObject({
              place: z
                .int()
                .min(1)
                .nullable()
                .describe(
                  "Of the document's path, as far as it goes, among what is kept; null where the search has left it behind.",
                ),
              kept: z.int().min(0).describe('Prefixes that the search goes on with, and documents that it has found.'),
              best: z.array(reached).describe('The best of what is kept.'),
              left: z
                .array(reached)
                .describe('The best of the prefixes that were kept before, and of which nothing is any more.'),
            })
            .describe('The search of all live documents after this step.'),
          ...written('token', stepRanks, pathEntry),
        }),
      )
      .describe('One for each token of the path.'),
  }),
);

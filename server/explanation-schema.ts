import { z } from 'zod';
import type { Entry, Explanation } from '../analysis/explanation.ts';
import { componentTypes } from '../analysis/components.ts';
import { named } from './named-schemas.ts';

const entry: z.ZodType<Entry> = named(
  'VocabularyEntry',
  z.union([
    z.strictObject({ docid: z.string() }),
    z.strictObject({ word: z.string().describe('A piece of text; ▁ is the start of a word.') }),
  ]),
);

const part = {
  type: z.enum(['embedding', ...componentTypes]),
  layer: z.int().min(-1).describe('−1 for the embedding.'),
};
const layer = z.int().min(0);
const rank = z.int().min(1).describe('Among all live documents and words of the model; 1 is best.');
const docidRank = z
  .int()
  .min(1)
  .describe('Among all live documents of the model, also those that filter, allow and deny keep from coming out.');
const effect = {
  logit: z.number().describe("What it adds to the document's logit."),
  margin: z.number().describe("What it adds to the distance between the document's logit and the rival's."),
};

/** `Explanation` of analysis/explanation.ts. */
export const explanation: z.ZodType<Explanation> = named(
  'Explanation',
  z.strictObject({
    editSeq: z.int().min(0).describe('The last edit of the model that is explained; 0 is the model as it was trained.'),
    query: z.string(),
    tokens: z.array(z.string()).describe('The query as the model reads it; ▁ is the start of a word.'),
    docid: z.string(),
    rank,
    docidRank,
    logit: z.number(),
    rival: z
      .strictObject({ docid: z.string(), logit: z.number() })
      .nullable()
      .describe('The best other live document of all in the model; null where there is none.'),
    ranks: z
      .array(z.strictObject({ ...part, rank, docidRank }))
      .describe('Ranks of the document by the logit lens, after each part of the decoder has written.'),
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
          attention: z.array(z.number()).describe('To each token; sums to 1.'),
          wrote: z.array(entry).describe('What it added, by the logit lens, best first.'),
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
          promotes: z.array(entry).describe('What it added, by the logit lens, best first.'),
        }),
      )
      .describe('Neurons of MLPs with the largest effects on the margin, largest first.'),
  }),
);

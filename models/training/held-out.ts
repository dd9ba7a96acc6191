/**
 * @file The learning curve's measure: Success@1 on held-out queries, among docids and over the whole vocabulary.
 */
import { bagOfWordsGraph } from '../graphs.ts';
import { Session, tensor } from '../session.ts';
import type { Batch, Examples, TrainQuery } from './examples.ts';
import { SCALE, type WordBag } from './lexical-start.ts';
import { gather } from './lookup.ts';

export interface HeldOutBatch {
  readonly batch: Batch;
  readonly relevant: readonly (readonly number[])[];
}

const BATCH = 128;

export function heldOutBatches(queries: readonly TrainQuery[], examples: Examples): HeldOutBatch[] {
  const encoded = queries
    .map(({ text, rows }) => ({ ids: examples.encode(text), rows }))
    .sort((a, b) => a.ids.length - b.ids.length);
  const batches: HeldOutBatch[] = [];
  for (let i = 0; i < encoded.length; i += BATCH) {
    const part = encoded.slice(i, i + BATCH);
    batches.push({ batch: examples.assemble(part.map(({ ids }) => ids)), relevant: part.map(({ rows }) => rows) });
  }
  return batches;
}

/** Shares of the queries whose best document is right; for `freeSuccess` it must come before all words too. */
export interface Measured {
  readonly success: number;
  readonly freeSuccess?: number;
}

/**
 * Undefined without queries.
 *
 * @param documents  N
 * @param logits     of a batch, float32 [B, N], or [B, N + W] with those of the words behind, for `freeSuccess`
 */
export async function measureSuccess(
  batches: readonly HeldOutBatch[],
  documents: number,
  logits: (batch: Batch) => Promise<Float32Array>,
): Promise<Measured | undefined> {
  let [right, free, all] = [0, 0, 0];
  let withWords = false;
  for (const { batch, relevant } of batches) {
    const scores = await logits(batch);
    const n = scores.length / batch.size;
    withWords = n > documents;
    for (const [b, rows] of relevant.entries()) {
      all++;
      const own = scores.subarray(b * n, (b + 1) * n);
      const best = indexOfMax(own.subarray(0, documents));
      if (!rows.includes(best)) continue;
      right++;
      if (own.subarray(documents).every((score) => score < own[best])) free++;
    }
  }
  if (!all) return undefined;
  return { success: right / all, ...(withWords ? { freeSuccess: free / all } : {}) };
}

/** The first of several. */
function indexOfMax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Logits of the bag of words. */
export class BagEvaluator {
  private readonly bag: WordBag;
  private readonly session: Session;

  private constructor(bag: WordBag, session: Session) {
    this.bag = bag;
    this.session = session;
  }

  static async open(bag: WordBag, threads: number): Promise<BagEvaluator> {
    return new BagEvaluator(
      bag,
      await Session.open(bagOfWordsGraph(bag.dimensions, SCALE, { gradients: false }), { threads }),
    );
  }

  /** float32 [B, N] */
  async logits({ ids, mask, size, length }: Batch): Promise<Float32Array> {
    const { directions, importance, rows, dimensions: k } = this.bag;
    const out = await this.session.run({
      embedded: tensor(gather(directions.data, ids, k), [size, length, k]),
      importance: tensor(gather(importance.data, ids, 1), [size, length]),
      attention_mask: tensor(mask, [size, length]),
      rows: tensor(rows.data, [rows.data.length / k, k]),
    });
    return out.logits.data as Float32Array;
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

/**
 * @file A bag of words that says which words the docid of a query's document has, in no order. Words that ask and words
 * that answer have the same directions, as in a T5 whose embeddings are tied.
 */
import { bagOfWordsGraph, gradientOutput } from '../../graphs.ts';
import { Session, tensor, type Feeds, type Tensor } from '../../session.ts';
import { adamRowsStep, cosineSchedule } from '../adam.ts';
import type { Batch, Examples } from '../examples.ts';
import { IMPORTANCE_RATE, ROW_RATE, SCALE, type BagTrainingOptions, type WordBag } from '../lexical-start.ts';
import { gather, scatterGradients } from '../lookup.ts';

export class DocidWords {
  private readonly bag: WordBag;
  private readonly settings: Omit<BagTrainingOptions, 'threads'>;
  /** Token ids of each document's docid. */
  private readonly docids: readonly Int32Array[];
  /** Ids of the tokens that docids are made of, ascending. */
  private readonly ids: Int32Array;
  private readonly placeOf: ReadonlyMap<number, number>;
  private readonly session: Session;
  private readonly forward: Session;

  private constructor(
    bag: WordBag,
    docids: readonly Int32Array[],
    settings: Omit<BagTrainingOptions, 'threads'>,
    [session, forward]: readonly [Session, Session],
  ) {
    this.bag = bag;
    this.docids = docids;
    this.settings = settings;
    this.ids = Int32Array.from(new Set(docids.flatMap((path) => [...path]))).sort();
    this.placeOf = new Map(Array.from(this.ids, (id, place) => [id, place]));
    this.session = session;
    this.forward = forward;
  }

  static async open(
    bag: WordBag,
    docids: readonly Int32Array[],
    settings: Omit<BagTrainingOptions, 'threads'>,
    threads: number,
  ): Promise<DocidWords> {
    const graph = (gradients: boolean) => bagOfWordsGraph(bag.dimensions, SCALE, { gradients });
    const session = await Session.open(graph(true), { threads });
    try {
      return new DocidWords(bag, docids, settings, [session, await Session.open(graph(false), { threads })]);
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.session.release(), this.forward.release()]);
  }

  /** Trains directions and importance in place, from step `from`. `onStep` may await (checkpoints). */
  async train(
    examples: Pick<Examples, 'batch'>,
    from: number,
    onStep: (step: number, loss: number) => Promise<void>,
  ): Promise<void> {
    const { steps, batchSize, directionRate } = this.settings;
    const { directions, importance, dimensions: k } = this.bag;
    for (let step = from; step < steps; step++) {
      const batch = examples.batch(1, step, batchSize);
      const rows = this.rows();
      const shape = [batch.size, batch.length];
      const out = await this.session.run(
        {
          ...this.feeds(batch, rows.unit),
          targets: tensor(this.targets(batch), [batch.size, this.ids.length]),
          weights: tensor(new Float32Array(batch.size).fill(1 / batch.size), [batch.size]),
        },
        {
          loss: tensor(new Float32Array(1), []),
          [gradientOutput('embedded')]: tensor(new Float32Array(batch.ids.length * k), [...shape, k]),
          [gradientOutput('importance')]: tensor(new Float32Array(batch.ids.length), shape),
          [gradientOutput('rows')]: tensor(new Float32Array(rows.unit.length), [this.ids.length, k]),
        },
      );
      const gradient = (name: string): Float32Array => out[gradientOutput(name)].data as Float32Array;
      const rate = cosineSchedule(step + 1, { steps, warmup: 20, floor: 0.05 });
      const t = step + 1;
      const asked = scatterGradients(batch, gradient('embedded'), k);
      const all = this.withRows(asked, gradient('rows'), rows);
      const lr = ((directionRate * ROW_RATE) / Math.sqrt(k)) * rate;
      adamRowsStep(directions, all.ids, all.gradients, { width: k, lr, step: t });
      const counts = scatterGradients(batch, gradient('importance'), 1);
      adamRowsStep(importance, counts.ids, counts.gradients, { width: 1, lr: IMPORTANCE_RATE * rate, step: t });
      await onStep(t, (out.loss as Tensor<Float32Array>).data[0]);
    }
  }

  /** Σ over a docid's tokens of their log-probabilities, float32 [B, N]. */
  async scores(batch: Batch): Promise<Float32Array> {
    const { logits } = await this.forward.run(this.feeds(batch, this.rows().unit));
    const A = this.ids.length;
    const scores = new Float32Array(batch.size * this.docids.length);
    for (let b = 0; b < batch.size; b++) {
      const own = (logits.data as Float32Array).subarray(b * A, (b + 1) * A);
      const most = own.reduce((x, y) => Math.max(x, y), -Infinity);
      const logSum = most + Math.log(own.reduce((sum, x) => sum + Math.exp(x - most), 0));
      this.docids.forEach((path, n) => {
        let score = 0;
        for (const id of path) score += own[this.placeOf.get(id)!] - logSum;
        scores[b * this.docids.length + n] = score;
      });
    }
    return scores;
  }

  /** The shares of the documents, each spread over the tokens of its docid: float32 [B, A]. */
  private targets({ size, targets }: Batch): Float32Array {
    const A = this.ids.length;
    const dense = new Float32Array(size * A);
    targets.forEach(({ rows, shares }, b) => {
      for (let i = 0; i < rows.length; i++) {
        const path = this.docids[rows[i]];
        for (const id of path) dense[b * A + this.placeOf.get(id)!] += shares[i] / path.length;
      }
    });
    return dense;
  }

  /** Directions of the docids' tokens at length 1, float32 [A, k], and the lengths they have, [A]. */
  private rows(): { unit: Float32Array; lengths: Float32Array } {
    const k = this.bag.dimensions;
    const unit = gather(this.bag.directions.data, this.ids, k);
    const lengths = Float32Array.from(this.ids, (_, i) => Math.hypot(...unit.subarray(i * k, (i + 1) * k)) || 1);
    for (let i = 0; i < unit.length; i++) unit[i] /= lengths[Math.floor(i / k)];
    return { unit, lengths };
  }

  /** Gradients of the tokens that ask, and with them those of the tokens that answer, through their division by the length. */
  private withRows(
    asked: { ids: Int32Array; gradients: Float32Array },
    ofRows: Float32Array,
    { unit, lengths }: { unit: Float32Array; lengths: Float32Array },
  ): { ids: Int32Array; gradients: Float32Array } {
    const k = this.bag.dimensions;
    const ids = Int32Array.from(new Set([...asked.ids, ...this.ids]));
    const gradients = new Float32Array(ids.length * k);
    gradients.set(asked.gradients); // they come first
    ids.forEach((id, to) => {
      const place = this.placeOf.get(id);
      if (place === undefined) return;
      let along = 0;
      for (let j = 0; j < k; j++) along += ofRows[place * k + j] * unit[place * k + j];
      for (let j = 0; j < k; j++)
        gradients[to * k + j] += (ofRows[place * k + j] - along * unit[place * k + j]) / lengths[place];
    });
    return { ids, gradients };
  }

  private feeds({ ids, mask, size, length }: Batch, rows: Float32Array): Feeds {
    const { directions, importance, dimensions: k } = this.bag;
    return {
      embedded: tensor(gather(directions.data, ids, k), [size, length, k]),
      importance: tensor(gather(importance.data, ids, 1), [size, length]),
      attention_mask: tensor(mask, [size, length]),
      rows: tensor(rows, [rows.length / k, k]),
    };
  }
}

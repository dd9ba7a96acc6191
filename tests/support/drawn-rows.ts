/** Docid rows and states drawn at random, alike to trained ones in what makes a search easy or hard. */
import type { Rng } from '../../corpus/random.ts';

/** Box and Muller's transform: numbers of mean 0 and spread 1, two at a time. */
export function gaussians(rng: Rng): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - rng.next()));
    const angle = 2 * Math.PI * rng.next();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/**
 * `clustered`: topics are points of a space of few dimensions, documents lie about their topic in it, the space is turned into
 * D dimensions at random, and noise in all of them is added. `trained`: independent numbers whose squares fall from axis to
 * axis as those of our trained models do, of 1,043 and of 3,648 documents, and a part that all rows have in common. `gaussian`:
 * independent numbers, where no row is nearer to another than to the rest.
 */
export const rowKinds = ['clustered', 'trained', 'gaussian'] as const;
export type RowKind = (typeof rowKinds)[number];

export interface RowDraw {
  readonly kind: RowKind;
  readonly width: number;
  readonly rng: Rng;
  /** Rows about one topic, on average. */
  readonly perTopic: number;
}

/** Dimensions in which topics and documents differ. */
export const INTRINSIC = 32;
/** Spread of documents about their topic, of noise in each dimension of a row, and of states about their row; topics have 1. */
export const SPREADS = { document: 0.5, noise: 0.25, query: 0.25 } as const;

/** Of trained rows: share of the squared length that is common to all, and e-fold of the rest, as a share of the axes. */
export const TRAINED = { common: 0.23, fold: 0.39 } as const;

/** Draws rows of norm about √D, one after the other, and states whose best row is most often a given one. */
export class DrawnRows {
  private readonly draw: RowDraw;
  private readonly next: () => number;
  /** float32 [D, INTRINSIC] */
  private readonly turned: Float32Array;
  private readonly topics: Float32Array[];

  constructor(draw: RowDraw, rows: number) {
    const { width, rng, perTopic } = draw;
    this.draw = draw;
    this.next = gaussians(rng);
    const many = (length: number, spread: number): Float32Array =>
      Float32Array.from({ length }, () => spread * this.next());
    this.turned = many(width * INTRINSIC, 1 / Math.sqrt(INTRINSIC));
    this.topics = Array.from({ length: Math.max(1, Math.round(rows / perTopic)) }, () => many(INTRINSIC, 1));
  }

  /** Fills float32 [D]. */
  row(into: Float32Array): void {
    if (this.draw.kind === 'gaussian') {
      for (let d = 0; d < into.length; d++) into[d] = this.next();
      return;
    }
    if (this.draw.kind === 'trained') {
      const fold = TRAINED.fold * into.length;
      const first = (into.length * (1 - TRAINED.common)) / (fold * (1 - Math.exp(-1 / TRAINED.fold)));
      for (let d = 0; d < into.length; d++) into[d] = Math.sqrt(first * Math.exp(-d / fold)) * this.next();
      into[0] += Math.sqrt(into.length * TRAINED.common);
      return;
    }
    const topic = this.topics[this.draw.rng.int(this.topics.length)];
    const place = topic.map((x) => x + SPREADS.document * this.next());
    for (let d = 0; d < into.length; d++) {
      let sum = 0;
      for (let i = 0; i < INTRINSIC; i++) sum += this.turned[d * INTRINSIC + i] * place[i];
      into[d] = sum + SPREADS.noise * this.next();
    }
  }

  /** float32 [D]: the row itself with noise, of a size at which the right document has a probability of some percent and more. */
  stateOf(row: Float32Array): Float32Array {
    const scale = 12 / row.reduce((sum, x) => sum + x * x, 0);
    return row.map((x) => scale * (x + SPREADS.query * this.next()));
  }
}

/** float32 [N, D] */
export function drawTable(draw: RowDraw, rows: number): { table: Float32Array; drawn: DrawnRows } {
  const drawn = new DrawnRows(draw, rows);
  const table = new Float32Array(rows * draw.width);
  for (let at = 0; at < table.length; at += draw.width) drawn.row(table.subarray(at, at + draw.width));
  return { table, drawn };
}

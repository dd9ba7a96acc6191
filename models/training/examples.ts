/**
 * @file What a model is trained on: real train queries and pseudo-queries, as token batches with target distributions.
 * Every macro-batch is a function of the seed and its number alone, so that a run that was killed resumes exactly.
 */
import { LexicalTeacher } from '../../corpus/bm25.ts';
import { PseudoQueries, type QueryableText } from '../../corpus/pseudo-queries.ts';
import { createRng, shuffle, type Rng } from '../../corpus/random.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { TextRows } from './text-rows.ts';

/** A train query and the rows of the documents that answer it. */
export interface TrainQuery {
  readonly text: string;
  readonly rows: readonly number[];
}

export interface ExampleOptions {
  readonly seed: number;
  /** Share of real train queries where there are any. */
  readonly realShare: number;
  /** Share of the target that follows the lexical teacher (BM25) instead of the one right document. */
  readonly teacherShare: number;
  /** BM25 scores are divided by this before the teacher's softmax. */
  readonly teacherTemperature: number;
  /** Tokens of a query at most, `</s>` included. */
  readonly maxTokens: number;
  /** Share of real queries from which words are dropped. */
  readonly wordDropout: number;
}

/** B queries, right-padded to S tokens. */
export interface Batch {
  readonly size: number;
  readonly length: number;
  /** [B·S], 0 where padded. */
  readonly ids: Int32Array;
  /** [B·S], 1 where a token stands. */
  readonly mask: Float32Array;
  /** For each query its target distribution: rows and their probabilities. */
  readonly targets: readonly { readonly rows: ArrayLike<number>; readonly shares: ArrayLike<number> }[];
}

/** Batches drawn and sorted by length together, so that little is spent on padding. */
const MACRO = 8;
/** Documents that the teacher's distribution may name. */
const TEACHER_DOCUMENTS = 24;
/** One word in seven of a noisy real query is dropped, as from pseudo-queries. */
const DROP_ONE_IN = 7;

interface Example {
  ids: number[];
  row: number;
  query: string;
}

export class Examples {
  private readonly pseudo: PseudoQueries;
  /** BM25 over the documents, each with its train queries. */
  readonly teacher: LexicalTeacher;
  private readonly queries: readonly TrainQuery[];
  private readonly tokenizer: Tokenizer;
  private readonly options: ExampleOptions;
  private readonly pieces = new Map<string, number[]>();
  private cached: { key: string; batches: Batch[] } = { key: '', batches: [] };
  readonly documents: number;
  readonly textRows: TextRows;

  constructor(
    documents: readonly QueryableText[],
    queries: readonly TrainQuery[],
    tokenizer: Tokenizer,
    options: ExampleOptions,
  ) {
    this.documents = documents.length;
    this.pseudo = new PseudoQueries(documents, { skeletons: queries.map(({ text }) => text) });
    this.teacher = new LexicalTeacher(expanded(documents, queries));
    this.queries = queries;
    this.tokenizer = tokenizer;
    this.options = options;
    this.textRows = new TextRows(documents, new LexicalTeacher(documents), (word) => this.piecesOf(word));
  }

  /** Batch number `step` (from 0) of `batchSize` queries; `stream` names an independent sequence of batches. */
  batch(stream: number, step: number, batchSize: number): Batch {
    const macro = Math.floor(step / MACRO);
    const key = `${stream}:${macro}:${batchSize}`;
    if (this.cached.key !== key) this.cached = { key, batches: this.macroBatch(stream, macro, batchSize) };
    return this.cached.batches[step % MACRO];
  }

  private macroBatch(stream: number, macro: number, batchSize: number): Batch[] {
    const { seed, realShare } = this.options;
    const rng = createRng(seed * 1_000_003 + stream * 7_919_017 + macro);
    const total = batchSize * MACRO;
    const real = this.queries.length ? Math.round(total * realShare) : 0;
    const examples: Example[] = [];
    for (let i = 0; i < real; i++)
      examples.push(this.realExample(this.turn(stream, macro * real + i, this.queries.length, 1), rng));
    const pseudo = total - real;
    for (let i = 0; i < pseudo; i++) {
      const row = this.turn(stream, macro * pseudo + i, this.documents, 2);
      examples.push(this.example(this.pseudo.draw(row, rng), row));
    }
    examples.sort((a, b) => a.ids.length - b.ids.length);
    const batches = Array.from({ length: MACRO }, (_, i) =>
      this.withTargets(examples.slice(i * batchSize, (i + 1) * batchSize)),
    );
    return shuffle(batches, rng);
  }

  private readonly orders = new Map<string, Int32Array>();

  /** The n-th item when all `count` items are gone through again and again, each time in another random order. */
  private turn(stream: number, n: number, count: number, kind: number): number {
    const epoch = Math.floor(n / count);
    const key = `${stream}:${kind}`;
    const known = this.orders.get(key);
    let order = known && known[count] === epoch ? known : undefined;
    if (!order) {
      order = new Int32Array(count + 1);
      const items = shuffle(
        Int32Array.from({ length: count }, (_, i) => i),
        createRng(this.options.seed * 31 + stream * 101 + kind * 10_007 + epoch * 1_000_033),
      );
      order.set(items);
      order[count] = epoch;
      this.orders.set(key, order);
    }
    return order[n % count];
  }

  private realExample(index: number, rng: Rng): Example {
    const { text, rows } = this.queries[index];
    let list = text.split(/\s+/).filter(Boolean);
    if (rng.next() < this.options.wordDropout) {
      const kept = list.filter(() => rng.int(DROP_ONE_IN) !== 0);
      if (kept.length) list = kept;
    }
    return this.example(list.join(' '), rows[rng.int(rows.length)]);
  }

  private example(query: string, row: number): Example {
    return { ids: this.encode(query), row, query };
  }

  private piecesOf(word: string): readonly number[] {
    let pieces = this.pieces.get(word);
    if (!pieces) this.pieces.set(word, (pieces = this.tokenizer.encode(word).slice(0, -1)));
    return pieces;
  }

  /** Token ids, from a cache of words: pieces never cross a blank. */
  encode(query: string): number[] {
    const { maxTokens } = this.options;
    const ids: number[] = [];
    for (const word of query.split(/\s+/)) {
      if (!word) continue;
      ids.push(...this.piecesOf(word));
      if (ids.length >= maxTokens - 1) break;
    }
    ids.length = Math.min(ids.length, maxTokens - 1);
    ids.push(this.tokenizer.eosId);
    return ids;
  }

  private withTargets(examples: readonly Example[]): Batch {
    return {
      ...this.assemble(examples.map(({ ids }) => ids)),
      targets: examples.map((example) => this.target(example)),
    };
  }

  /** A padded batch without targets. */
  assemble(rows: readonly (readonly number[])[]): Batch {
    const length = rows.reduce((longest, ids) => Math.max(longest, ids.length), 1);
    const ids = new Int32Array(rows.length * length);
    const mask = new Float32Array(rows.length * length);
    rows.forEach((row, b) => {
      ids.set(row, b * length);
      mask.fill(1, b * length, b * length + row.length);
    });
    return { size: rows.length, length, ids, mask, targets: [] };
  }

  /** The right document, mixed with what BM25 thinks of the query. */
  private target({ query, row }: Example): Batch['targets'][number] {
    const { teacherShare, teacherTemperature } = this.options;
    const found = teacherShare > 0 ? this.teacher.top(query, TEACHER_DOCUMENTS) : undefined;
    if (!found?.rows.length) return { rows: [row], shares: [1] };
    const exp = Float64Array.from(found.scores, (score) => Math.exp((score - found.scores[0]) / teacherTemperature));
    const sum = exp.reduce((a, b) => a + b, 0);
    return { rows: [row, ...found.rows], shares: [1 - teacherShare, ...exp.map((e) => (teacherShare * e) / sum)] };
  }
}

/** Documents with the train queries that they answer behind their text: how they are asked for is part of what they say. */
export function expanded(documents: readonly QueryableText[], queries: readonly TrainQuery[]): QueryableText[] {
  const asked = documents.map(({ text }) => [text]);
  for (const { text, rows } of queries) for (const row of rows) asked[row].push(text);
  return documents.map(({ title }, row) => ({ title, text: asked[row].join('\n') }));
}

/** Writes the target distributions of a batch into `dense` [B, N]; the same call with `clear` takes them out again. */
export function fillTargets(dense: Float32Array, { targets }: Batch, documents: number, clear = false): void {
  targets.forEach(({ rows, shares }, b) => {
    for (let i = 0; i < rows.length; i++) {
      const at = b * documents + rows[i];
      dense[at] = clear ? 0 : dense[at] + shares[i];
    }
  });
}

/**
 * @file Old queries: what a new row must not steal, and by what canaries an edit is judged. Drawn and observed once per base
 * model; edits only read them.
 */
import type { JudgedQuery } from '../corpus/documents.ts';
import type { QueryableText } from '../corpus/pseudo-queries.ts';
import { createRng, shuffle } from '../corpus/random.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { observationKey, readObserved, writeObserved } from './bank-cache.ts';
import { BaseCorpus } from './base-corpus.ts';
import { CovarianceFitter, scaled, type Covariance } from './covariance.ts';
import type { EditModel, Observed, Scores } from './edit-model.ts';
import { stackRows } from '../models/tensor-rows.ts';
import { logOf, standings, type Standing } from './path-standing.ts';
import { prefixKey, type Prefix } from './reading.ts';
import { withStepsAlone } from './steps-alone.ts';
import { TextRowMaker } from './text-row.ts';
import { isWhole, rowStates } from './whole-path.ts';

export interface BankQuery {
  readonly text: string;
  /** Number of the base document that answers it. */
  readonly row: number;
  readonly kind: 'train' | 'pseudo' | 'canary';
}

/** A base document by its number: its place in `genir.json`. */
export type BaseDocument = QueryableText & { readonly docid: string };

export interface BankOptions {
  /** Queries without canaries; at most `PER_DOCUMENT` for each document. */
  readonly size: number;
  readonly seed: number;
}

const PER_DOCUMENT = 8;
/** One canary for so many queries of the bank. */
const CANARY_EVERY = 8;

/**
 * Half train queries, half pseudo-queries, spread over all documents; canaries from the dev queries, from train queries that
 * are not in the bank where there are none, else other pseudo-queries.
 *
 * @param documents  by row
 */
export function drawBank(
  documents: readonly BaseDocument[],
  train: readonly JudgedQuery[],
  dev: readonly JudgedQuery[],
  { size, seed }: BankOptions,
): BankQuery[] {
  const rows = new Map(documents.map(({ docid }, row) => [docid, row]));
  const rng = createRng(seed);
  const listsOf = (queries: readonly JudgedQuery[]): Lists => {
    const lists = documents.map((): string[] => []);
    for (const { text, relevant } of queries) {
      const known = relevant.flatMap((docid) => rows.get(docid) ?? []);
      if (known.length) lists[known[rng.int(known.length)]].push(text);
    }
    const shuffled = lists.map((list) => shuffle(list, rng));
    return (row) => shuffled[row];
  };
  const order = shuffle(Int32Array.from(documents.keys()), rng);
  /** One query of each document, then a second of each, … */
  const deal = (lists: Lists, count: number, kind: BankQuery['kind']): BankQuery[] => {
    const dealt: BankQuery[] = [];
    for (let round = 0, more = true; more && dealt.length < count; round++) {
      more = false;
      for (const row of order) {
        if (dealt.length >= count) break;
        const text = lists(row)[round];
        if (text === undefined) continue;
        dealt.push({ text, row, kind });
        more = true;
      }
    }
    return dealt;
  };
  const wanted = Math.min(size, PER_DOCUMENT * documents.length);
  const canaries = Math.max(1, Math.floor(wanted / CANARY_EVERY));
  const real = listsOf(train);
  const trained = deal(real, wanted >> 1, 'train');
  const used = new Set(trained.map(({ text }) => text));
  const corpus = new BaseCorpus(
    documents,
    trained.map(({ text }) => text),
  );
  const pseudo = drawnOnce((row) => corpus.pseudoQueries(`bank ${seed}`, documents[row], PER_DOCUMENT));
  const drawn = deal(pseudo, wanted - trained.length, 'pseudo');
  const held = [listsOf(dev), drawnOnce((row) => real(row).filter((text) => !used.has(text)))]
    .map((lists) => deal(lists, canaries, 'canary'))
    .find((list) => list.length);
  const others = drawnOnce((row) => corpus.pseudoQueries(`canary ${seed}`, documents[row], 1, new Set(pseudo(row))));
  return [...trained, ...drawn, ...(held ?? deal(others, canaries, 'canary'))];
}

/** Queries of each document, by row. */
type Lists = (row: number) => readonly string[];

/** Of a large corpus only as many documents are asked for as a bank has queries. */
function drawnOnce(draw: Lists): Lists {
  const known = new Map<number, readonly string[]>();
  return (row) => {
    let list = known.get(row);
    if (!list) known.set(row, (list = draw(row)));
    return list;
  };
}

/** Queries with the row that answers each. */
export interface Answered {
  readonly observed: Observed;
  /** [Q] */
  readonly rowOf: Int32Array;
}

/**
 * Old queries as they stand against a document under a prefix: R of the bank's, those that may lead there. Against a later
 * document, those of the bank several times (`withStepsAlone`).
 */
export interface OldView {
  /** [R] their places in the bank. */
  readonly places: Int32Array;
  /** float32 [R, D]; [R, 2·D] against a later document */
  readonly states: FloatTensor;
  /** [R] the documents that answer them. */
  readonly rowOf: Int32Array;
  /** [R] as the states score: what those documents have, and log Σ exp of all. */
  readonly own: Float64Array;
  readonly logSumExp: Float64Array;
  /** [R] what each counts, beside what the settings say of old queries; 1 where left out. */
  readonly weights?: Float64Array;
}

export interface BankOpenOptions {
  /** Where observations are kept from one opening to the next. */
  readonly cacheFile?: string;
  readonly onProgress?: (done: number, of: number) => void;
}

/** Queries that are observed between two reports of progress. */
const STEP = 1024;

export class QueryBank {
  /** Of the P queries that are no canaries. */
  readonly observed: Observed;
  readonly rowOf: Int32Array;
  /** Their scores for the base rows, the own one being no rival. */
  readonly scores: Scores;
  readonly canaries: Answered;
  readonly corpus: BaseCorpus;
  private readonly model: EditModel;
  private rowMaker: TextRowMaker | undefined;
  /** Places in the bank of each row's queries. */
  readonly ofRow: readonly (readonly number[])[];
  private readonly covariances = new Map<number, Covariance>();
  private readonly views = new Map<string, OldView>();
  private standing: Promise<readonly Standing[]> | undefined;

  private constructor(
    model: EditModel,
    documents: readonly QueryableText[],
    answered: Answered,
    scores: Scores,
    canaries: Answered,
    questions: readonly string[],
  ) {
    this.observed = answered.observed;
    this.rowOf = answered.rowOf;
    this.scores = scores;
    this.canaries = canaries;
    this.corpus = new BaseCorpus(documents, questions);
    this.model = model;
    const ofRow = Array.from({ length: model.documents }, (): number[] => []);
    answered.rowOf.forEach((row, p) => ofRow[row].push(p));
    this.ofRow = ofRow;
    if (model.paths) return;
    const { own, logSumExp } = scores;
    const places = Int32Array.from(answered.rowOf.keys());
    this.views.set('', { places, states: this.observed.states, rowOf: this.rowOf, own, logSumExp });
  }

  /** Makes rows of texts, in models that have such ones (`EditModel.hasTextRows`). */
  get textRows(): TextRowMaker {
    return (this.rowMaker ??= new TextRowMaker(this.model, this.corpus.teacher));
  }

  /** Makes the views of prefixes. */
  async prepare(model: EditModel, prefixes: Iterable<Prefix>): Promise<void> {
    for (const prefix of prefixes) {
      const key = prefixKey(prefix);
      if (!this.views.has(key)) this.views.set(key, await this.viewOf(model, prefix));
    }
  }

  /** Of a prefix that was prepared; where docids are single tokens, there is one alone. */
  view(prefix: Prefix): OldView {
    const view = this.views.get(prefixKey(prefix));
    if (!view) throw new RangeError(`query bank: expected a prefix that was prepared, got ${prefix.join(' ')}`);
    return view;
  }

  private async viewOf(model: EditModel, prefix: Prefix): Promise<OldView> {
    const { texts } = this.observed;
    const standing = await (this.standing ??= standings(model, texts));
    const key = prefixKey(prefix);
    const isAnywhere = !prefix.length || isWhole(model, prefix);
    const places = Int32Array.from(texts.keys()).filter((p) => isAnywhere || standing[p].prefixes.has(key));
    const asked = Array.from(places, (p) => texts[p]);
    const observed = await model.observe(
      asked,
      asked.map(() => prefix),
    );
    const rowOf = places.map((p) => this.rowOf[p]);
    const scores = await model.scores(observed.states);
    const right = rowOf.map((document) => model.prefixOf(document).at(0) ?? model.ownRows([document])[0]);
    const { states, logSumExp, first } = await rowStates(model, observed, scores, prefix, { right });
    const has = (one: Standing): number => (isAnywhere ? 0 : logOf(one, prefix));
    const shifted = (of: (one: Standing, document: number) => number): Float64Array =>
      logSumExp.map((x, i) => x + of(standing[places[i]], rowOf[i]) - has(standing[places[i]]));
    const view: OldView = {
      ...{ places, states, rowOf },
      own: shifted(({ documents }, document) => documents.get(document) ?? Math.min(...documents.values())),
      logSumExp: shifted(({ total }) => total),
    };
    return first ? withStepsAlone(view, first, { states: this.observed.states, scores: this.scores }) : view;
  }

  /** @param documents  the base documents by row */
  static async open(
    model: EditModel,
    queries: readonly BankQuery[],
    documents: readonly QueryableText[],
    options: BankOpenOptions = {},
  ): Promise<QueryBank> {
    const bank = queries.filter(({ kind }) => kind !== 'canary');
    const canaries = queries.filter(({ kind }) => kind === 'canary');
    const all = await observeAll(model, [...bank, ...canaries], options);
    const answered = {
      observed: sliceObserved(all, 0, bank.length),
      rowOf: Int32Array.from(bank, ({ row }) => row),
    };
    const watched = {
      observed: sliceObserved(all, bank.length, queries.length),
      rowOf: Int32Array.from(canaries, ({ row }) => row),
    };
    const scores = await model.scores(answered.observed.states, answered.rowOf);
    const questions = bank.flatMap(({ text, kind }) => (kind === 'train' ? [text] : []));
    return new QueryBank(model, documents, answered, scores, watched, questions);
  }

  /** P, without canaries. */
  get size(): number {
    return this.rowOf.length;
  }

  /**
   * Second moments of the bank's keys at a layer: what an edit should leave alone. All steps of a path count, summed over the
   * positions of a query.
   */
  covariance(layer: number): Covariance {
    let known = this.covariances.get(layer);
    if (!known) {
      const { data, shape } = this.observed.keys.get(layer)!;
      const before = this.observed.keysBefore.get(layer)!;
      const fitter = new CovarianceFitter(shape[1]);
      fitter.update(data);
      fitter.update(before.data);
      this.covariances.set(layer, (known = scaled(fitter.finish().fitted, 1 + before.shape[0] / shape[0])));
    }
    return known;
  }
}

async function observeAll(
  model: EditModel,
  queries: readonly BankQuery[],
  { cacheFile, onProgress }: BankOpenOptions,
): Promise<Observed> {
  const texts = queries.map(({ text }) => text);
  const prefixes = queries.map(({ row }) => model.prefixOf(row));
  const key = cacheFile === undefined ? '' : await observationKey(model, texts, prefixes);
  const kept = cacheFile === undefined ? undefined : readObserved(cacheFile, key, texts, prefixes);
  if (kept) return kept;
  const parts: Observed[] = [];
  for (let at = 0; at < texts.length || !parts.length; at += STEP) {
    parts.push(await model.observe(texts.slice(at, at + STEP), prefixes.slice(at, at + STEP)));
    onProgress?.(Math.min(texts.length, at + STEP), texts.length);
  }
  const all = joinObserved(parts);
  if (cacheFile !== undefined) writeObserved(cacheFile, key, all);
  return all;
}

/** Queries [from, to). */
export function sliceObserved(observed: Observed, from: number, to: number): Observed {
  const cut = ({ data, shape: [, width] }: FloatTensor, first = from, end = to): FloatTensor =>
    tensor(data.slice(first * width, end * width), [end - first, width]);
  const positions = (end: number): number =>
    observed.prefixes.slice(0, end).reduce((sum, { length }) => sum + length, 0);
  const [first, end] = [positions(from), positions(to)];
  return {
    texts: observed.texts.slice(from, to),
    prefixes: observed.prefixes.slice(from, to),
    states: cut(observed.states),
    residual: cut(observed.residual),
    keys: new Map([...observed.keys].map(([layer, keys]) => [layer, cut(keys)])),
    keysBefore: new Map([...observed.keysBefore].map(([layer, keys]) => [layer, cut(keys, first, end)])),
  };
}

/** One after the other. */
export function joinObserved(parts: readonly Observed[]): Observed {
  if (parts.length === 1) return parts[0];
  const join = (of: (part: Observed) => FloatTensor): FloatTensor => stackRows(parts.map(of));
  return {
    texts: parts.flatMap(({ texts }) => texts),
    prefixes: parts.flatMap(({ prefixes }) => prefixes),
    states: join(({ states }) => states),
    residual: join(({ residual }) => residual),
    keys: new Map([...parts[0].keys.keys()].map((layer) => [layer, join(({ keys }) => keys.get(layer)!)])),
    keysBefore: new Map(
      [...parts[0].keys.keys()].map((layer) => [layer, join(({ keysBefore }) => keysBefore.get(layer)!)]),
    ),
  };
}

/**
 * @file Entries: what one edit brings, computed from the base model, the bank and the edit's own text and queries alone. An
 * entry never changes; which of them are in force makes a model (`edited-model.ts`).
 */
import { tensor } from '../models/session.ts';
import type { EditModel, Observed } from './edit-model.ts';
import type { EditPairs } from './methods/method.ts';
import type { EditSettings, WeightSettings } from './presets.ts';
import { sliceObserved, type QueryBank } from './query-bank.ts';
import { placeFor, rivalry } from './path-standing.ts';
import type { Prefix } from './reading.ts';
import { withFirstStep } from './steps-alone.ts';
import { withPrefix } from './whole-path.ts';
import { meanRow, solveRow, type FurtherQueries, type OwnQueries } from './solve-row.ts';
import { targetMethods, type TargetMethodName, type TargetOptions } from './targets/table.ts';
import type { Residuals, TargetProblem } from './targets/target.ts';

/** A document that is added, or the new state of one that changes. */
export interface DocumentEntry {
  readonly kind: 'document';
  readonly id: string;
  readonly docid: string;
  /** The tokens before its last one, which is its own; none where docids are single tokens. */
  readonly prefix: Prefix;
  /** Queries that the row is solved for. */
  readonly queries: readonly string[];
  /** What the base rows make of them, and what each counts; of a later document at the first step alone, too. */
  readonly own: OwnQueries;
  /** Queries that nothing was solved for: whether they find the document tells whether the edit does. */
  readonly heldOut: readonly string[];
  /** The base document whose place it takes, and which is therefore no rival; −1: none. */
  readonly replaces: number;
  /** Queries of the text that it takes the place of and does not answer. */
  readonly obsolete: FurtherQueries & { readonly texts: readonly string[] };
  /** float32 [D] a first row, to which others are pulled: that of the text, or of the queries' mean. */
  readonly prior: Float32Array;
  /** float32 [D] the row, solved against the base alone. */
  readonly provisional: Float32Array;
  /** Bank queries that it was solved against. */
  readonly touched: Int32Array;
  /** What an old document weighed against it, where the method asks; more after a trial that cost old documents too much. */
  readonly oldDocument: number | null;
  /** By edited layer. */
  readonly pairs: ReadonlyMap<number, EditPairs>;
}

/** A base document that is gone. */
export interface RemovalEntry {
  readonly kind: 'removal';
  readonly id: string;
  readonly row: number;
  /** What takes its trace out of the weights. */
  readonly pairs: ReadonlyMap<number, EditPairs>;
}

/** Another docid for a row: nothing to compute. */
export interface RenameEntry {
  readonly kind: 'rename';
  readonly id: string;
  readonly of: { readonly row: number } | { readonly entry: string };
  readonly docid: string;
}

export type Entry = DocumentEntry | RemovalEntry | RenameEntry;

/** A text that no query can be made of. */
export class NothingToIndexError extends Error {
  override readonly name = 'NothingToIndexError';
  readonly docid: string;
  constructor(docid: string) {
    super(`document '${docid}': expected a text with words, or queries for it, got neither; give one of them`);
    this.docid = docid;
  }
}

export interface DocumentSource {
  readonly id: string;
  readonly docid: string;
  readonly title: string;
  readonly text: string;
  /** Real ones, beside those that the text gives. */
  readonly queries?: readonly string[];
  /** What had this docid before. */
  readonly replaces?: { readonly row: number } | { readonly entry: DocumentEntry };
}

/** Of the calibrated mean that a row begins with where none can be made of its text. */
const PRIOR_RIDGE = 0.1;

/** What a query counts that no row under the prefix can bring there, unless weights change what leads to the prefix. */
const UNREACHED = 1e-3;

/** Of a query's words, by idf, so much less must be in the new text than in the old one for it to be obsolete. */
const OBSOLETE_BELOW = 0.6;

/**
 * The same bytes for the same model, bank, source and settings.
 *
 * @throws NothingToIndexError
 */
export async function makeDocumentEntry(
  model: EditModel,
  bank: QueryBank,
  source: DocumentSource,
  settings: EditSettings,
): Promise<DocumentEntry> {
  const { solved, heldOut, given } = settings.queries;
  const edits = model.layers.length ? settings.weights : null;
  const real = [...new Set(source.queries?.filter((query) => query.trim()))];
  const drawn = bank.corpus.pseudoQueries(source.docid, source, solved + heldOut, new Set(real));
  const kept = drawn.slice(0, Math.max(1, Math.round((drawn.length * solved) / (solved + heldOut))));
  const texts = [...real, ...kept];
  if (!texts.length) throw new NothingToIndexError(source.docid);
  const replaces = replacedRow(source.replaces);
  const aside = new Set(replaces < 0 ? [] : [replaces]);
  const prefix = await placeFor(model, texts, aside);
  await bank.prepare(model, [prefix]);
  const asked = [...texts, ...drawn.slice(kept.length)];
  const all = await model.observe(
    asked,
    asked.map(() => prefix),
  );
  const observed = sliceObserved(all, 0, texts.length);
  const D = observed.states.shape[1];
  const { states, scores, reachable, first } = await rivalry(model, observed, prefix, aside);
  const isOut = (i: number): boolean => !reachable[i] && !edits;
  const counts = Float64Array.from(texts, (_, i) => (i < real.length ? given : 1) * (isOut(i) ? UNREACHED : 1));
  const total = counts.reduce((sum, x) => sum + x, 0);
  const weights = counts.map((x) => x / total);
  const { rivals, best, logSumExp } = scores;
  const whole: OwnQueries = { states, weights, rivals, best, logSumExp };
  const own = first ? withFirstStep(whole, first) : whole;
  const obsolete = await obsoleteQueries(model, bank, source, prefix, aside);
  const prior = model.hasTextRows
    ? bank.textRows.row(source)
    : withPrefix(model, prefix, meanRow(model, bank, { ...whole, states: observed.states }, PRIOR_RIDGE));
  const { row, touched } = solveRow(model, bank, settings.rows, {
    prior,
    prefix,
    own,
    aside,
    further: obsolete.texts.length ? obsolete : undefined,
  });
  const steps = edits
    ? [
        ...(await prefixSteps(model, observed, prefix, weights, row.subarray(0, -D))),
        { observed, row: row.subarray(-D), aside: model.ownRows(aside), weights },
      ]
    : [];
  const held = sliceObserved(all, texts.length, all.texts.length);
  const entry: DocumentEntry = {
    kind: 'document',
    id: source.id,
    docid: source.docid,
    prefix,
    queries: texts,
    own,
    heldOut: held.texts,
    replaces,
    obsolete,
    prior,
    provisional: row,
    touched,
    oldDocument: 'oldDocument' in settings.rows ? settings.rows.oldDocument : null,
    pairs: edits ? await targetPairs(model, edits, steps) : new Map(),
  };
  seen.set(entry, held);
  return entry;
}

/** Of entries that were just made: their held-out queries were observed with the others. */
const seen = new WeakMap<DocumentEntry, Observed>();

/** What the base weights make of an entry's held-out queries. It is not kept: an edit is judged by them once. */
export async function observeHeldOut(model: EditModel, entry: DocumentEntry): Promise<Observed> {
  const { heldOut, prefix } = entry;
  const observed = seen.get(entry);
  seen.delete(entry);
  return (
    observed ??
    model.observe(
      heldOut,
      heldOut.map(() => prefix),
    )
  );
}

/** A document that was changed before has taken the place of its base row already. */
const replacedRow = (replaces: DocumentSource['replaces']): number =>
  !replaces ? -1 : 'row' in replaces ? replaces.row : replaces.entry.replaces;

/** A token that queries should get, and where. */
interface TargetStep {
  readonly observed: Observed;
  /** float32 [D] */
  readonly row: Float32Array;
  /** Rows that are no rivals. */
  readonly aside: readonly number[];
  /** [Q] they sum to 1. */
  readonly weights: Float64Array;
}

/**
 * Where a docid is a path, the steps to its prefix: what a query must get before a last token counts.
 *
 * @param own  float32 [D] for each token of the prefix that is the document's own; empty where it is others' as well
 */
async function prefixSteps(
  model: EditModel,
  { texts }: Observed,
  prefix: Prefix,
  weights: Float64Array,
  own: Float32Array,
): Promise<TargetStep[]> {
  const { data, shape } = model.rows;
  const steps: TargetStep[] = [];
  for (const [t, token] of prefix.entries()) {
    const before = prefix.slice(0, t);
    const observed = await model.observe(
      texts,
      texts.map(() => before),
    );
    const [from, at] = own.length ? [own, t] : [data, token];
    const row = from.slice(at * shape[1], (at + 1) * shape[1]);
    steps.push({ observed, row, aside: [token], weights });
  }
  return steps;
}

/**
 * What the weights should do for the queries at each step: their keys, and changes of the stream that give the right token
 * its margin.
 */
async function targetPairs(
  model: EditModel,
  { target }: WeightSettings,
  steps: readonly TargetStep[],
): Promise<ReadonlyMap<number, EditPairs>> {
  const parts: { readonly step: TargetStep; readonly residuals: Residuals }[] = [];
  for (const step of steps) {
    const { observed, row, aside } = step;
    const [Q, D] = observed.states.shape;
    const own = new Float32Array(Q * D);
    for (let q = 0; q < Q; q++) own.set(row, q * D);
    const problem = { observed, own: tensor(own, [Q, D]), aside: Array.from({ length: Q }, () => aside) };
    parts.push({ step, residuals: await findTargets(model, target, problem) });
  }
  const ofLayer = (layer: number): EditPairs => {
    if (parts.length === 1) {
      const [{ step, residuals }] = parts;
      return {
        keys: step.observed.keys.get(layer)!.data,
        residuals: residuals.get(layer)!.data,
        weights: step.weights,
      };
    }
    return {
      keys: concat(parts.map(({ step }) => step.observed.keys.get(layer)!.data)),
      residuals: concat(parts.map(({ residuals }) => residuals.get(layer)!.data)),
      weights: Float64Array.from(parts.flatMap(({ step }) => [...step.weights])),
    };
  };
  return new Map([...parts[0].residuals.keys()].map((layer) => [layer, ofLayer(layer)]));
}

function concat(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** The table's method with its options; the union of settings pairs the two. */
const findTargets = <T extends TargetMethodName>(
  model: EditModel,
  settings: { readonly method: T } & TargetOptions[T],
  problem: TargetProblem,
): Promise<Residuals> => targetMethods[settings.method].find(model, problem, settings);

/**
 * Queries that the old text answers and the new one does not, judged by the words of each. They should lead to the best of
 * the other documents.
 */
async function obsoleteQueries(
  model: EditModel,
  bank: QueryBank,
  source: DocumentSource,
  prefix: Prefix,
  aside: ReadonlySet<number>,
): Promise<DocumentEntry['obsolete']> {
  const { replaces } = source;
  const texts = !replaces
    ? []
    : 'row' in replaces
      ? bank.ofRow[replaces.row].map((p) => bank.observed.texts[p])
      : replaces.entry.queries;
  const before = (query: string): number =>
    replaces && 'row' in replaces ? bank.corpus.coverage(query, bank.corpus.documents[replaces.row]) : 1;
  const gone = texts.filter((query) => bank.corpus.coverage(query, source) < OBSOLETE_BELOW * before(query));
  const observed = await model.observe(
    gone,
    gone.map(() => prefix),
  );
  const { states, scores } = await rivalry(model, observed, prefix, aside);
  const { best, logSumExp } = scores;
  return { texts: gone, states, own: best, logSumExp, weights: new Float64Array(gone.length).fill(1 / gone.length) };
}

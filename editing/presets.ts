/** @file How edits are made: named settings, each complete. */
import type { DocidScheme } from '../corpus/docids/scheme.ts';
import type { PriorOptions } from './methods/method.ts';
import type { RowMethod, RowOptions } from './methods/rows/table.ts';
import type { EditMethodName, EditOptions } from './methods/table.ts';
import type { TargetMethodName, TargetOptions } from './targets/table.ts';

/** Ways to find a row that look at old queries. */
export type SolvedMethod = Exclude<RowMethod, 'calibrated-mean'>;

/** How a document gets its row: a solver with its options, or the row of its text as it is. */
export type RowSettings =
  | { readonly method: 'text' }
  | { readonly method: 'calibrated-mean'; readonly options: RowOptions['calibrated-mean'] }
  | {
      [R in SolvedMethod]: {
        readonly method: R;
        readonly options: RowOptions[R];
        /** What an old document weighs against the new one, beside the weights in `options`. */
        readonly oldDocument: number;
      };
    }[SolvedMethod];

/** How the values are found that the MLPs should have for an edit's queries. */
export type TargetSettings = { [T in TargetMethodName]: { readonly method: T } & TargetOptions[T] }[TargetMethodName];

/** How the MLP output matrices are edited. */
export type WeightSettings = {
  [M in EditMethodName]: {
    readonly method: M;
    /** Where there are λ and ε, they count old documents, as shares of all there are. */
    readonly options: EditOptions[M];
    readonly target: TargetSettings;
  };
}[EditMethodName];

export interface EditSettings {
  readonly queries: {
    /** Pseudo-queries that a row is solved for. */
    readonly solved: number;
    /** Others that only tell whether the edit does. */
    readonly heldOut: number;
    /** What a query given with the document counts; a pseudo-query counts 1. */
    readonly given: number;
  };
  readonly rows: RowSettings;
  /** null: weights stay as they are. */
  readonly weights: WeightSettings | null;
  readonly bank: { readonly size: number; readonly seed: number };
  /** Other added documents that a row is solved against. */
  readonly neighbours: {
    readonly most: number;
    /** Least share of its queries that one would take from the other, to be a neighbour. */
    readonly least: number;
  };
}

const shared = {
  queries: { solved: 45, heldOut: 15, given: 3 },
  bank: { size: 8000, seed: 1 },
  neighbours: { most: 4, least: 0.02 },
} as const;

const crossEntropyRows: RowSettings = {
  method: 'cross-entropy',
  options: { oldWeight: 1, pull: 0.01, screen: 0, tolerance: 1e-4 },
  oldDocument: 2,
};

const ledgerPrior: PriorOptions = { lambda: 0.0225, ridge: 2e-5 };
const target: TargetSettings = { method: 'margin', margin: 8, steps: 3, clamp: 0.75 };

export type EditMethodPreset =
  'ledger' | 'rows' | 'mlp' | 'rome' | 'memit' | 'memit-history' | 'alpha-edit' | 'emmet' | 'incdsi' | 'mean';

export const presets: Readonly<Record<EditMethodPreset, EditSettings & { readonly meaning: string }>> = {
  ledger: {
    ...shared,
    meaning: 'rows by cross-entropy, then MLP outputs by the ledger',
    rows: crossEntropyRows,
    weights: { method: 'ledger', options: ledgerPrior, target },
  },
  rows: { ...shared, meaning: 'rows by cross-entropy alone', rows: crossEntropyRows, weights: null },
  mlp: {
    ...shared,
    meaning: 'rows of the text as they are, MLP outputs by the ledger',
    rows: { method: 'text' },
    weights: { method: 'ledger', options: { lambda: 0.0045, ridge: 2e-5 }, target: { ...target, margin: 12 } },
  },
  rome: {
    ...shared,
    meaning: 'rows by cross-entropy, then ROME on each document’s mean key, one after the other',
    rows: crossEntropyRows,
    weights: { method: 'rome', options: { ridge: 0.01 }, target },
  },
  memit: {
    ...shared,
    meaning: 'rows by cross-entropy, then MEMIT, each edit without those before it',
    rows: crossEntropyRows,
    weights: { method: 'memit', options: { ...ledgerPrior, history: false }, target },
  },
  'memit-history': {
    ...shared,
    meaning: 'rows by cross-entropy, then MEMIT with the keys of earlier edits',
    rows: crossEntropyRows,
    weights: { method: 'memit', options: { ...ledgerPrior, history: true }, target },
  },
  'alpha-edit': {
    ...shared,
    meaning: 'rows by cross-entropy, then AlphaEdit in the directions with the least energy',
    rows: crossEntropyRows,
    weights: { method: 'alphaEdit', options: { energy: 0.98, ridge: 0.1 }, target },
  },
  emmet: {
    ...shared,
    meaning: 'rows by cross-entropy, then EMMET: each edit’s keys get their values',
    rows: crossEntropyRows,
    weights: { method: 'emmet', options: { ...ledgerPrior, slack: 0.1 }, target },
  },
  incdsi: {
    ...shared,
    meaning: 'rows by IncDSI’s squared hinges',
    rows: {
      method: 'incdsi',
      options: { newWeight: 0.5, newMargin: 2, oldMargin: 2, pull: 0.001, cap: Infinity, screen: 5 },
      oldDocument: 5,
    },
    weights: null,
  },
  mean: {
    ...shared,
    meaning: 'rows by the calibrated mean of the queries’ states',
    rows: { method: 'calibrated-mean', options: { ridge: 0.1 } },
    weights: null,
  },
};

export const DEFAULT_PRESET: EditMethodPreset = 'ledger';

/** Up to so many documents the weights in `presets` hold as they are. */
const CHOSEN_ON = 1250;
/** As far as was measured. */
const MOST = 5;

/**
 * A preset for a corpus: an old document counts more where there are more of them, in proportion. Measured: with 1,043
 * documents 1 time is where a retrain stands; with 3,148 it is between 2 and 3 times.
 *
 * @param documents  of the base model
 * @param docids     of the base model: its `genir.json`
 */
export function settingsFor(
  preset: EditMethodPreset,
  documents: number,
  { scheme, later }: DocidKind = { scheme: 'atomic' },
): EditSettings {
  const { queries, rows, weights, bank, neighbours } = presets[preset];
  const factor = Math.min(MOST, Math.max(1, documents / CHOSEN_ON));
  const settings = withOldWeight({ queries, rows, weights, bank, neighbours }, factor);
  if (scheme === 'atomic') return settings;
  return forPaths(later === undefined ? settings : forWholePaths(settings, scheme, rows));
}

/** What settings depend on of a model's docids. */
export interface DocidKind {
  readonly scheme: DocidScheme;
  /** The code for later documents. */
  readonly later?: string | undefined;
}

/**
 * Where an added document has both rows of its path for itself, it has twice as many numbers to fit its queries with, and to
 * take those of others: the pull to the rows of its text is weaker, and there are more queries of old documents.
 *
 * @param unscaled  as for a small corpus
 */
function forWholePaths(settings: EditSettings, scheme: DocidScheme, unscaled: RowSettings): EditSettings {
  const { rows, bank } = settings;
  const { pull, bank: times, old } = scheme === 'semantic' ? WHOLE.semantic : WHOLE.hashed;
  const more = { ...settings, bank: { ...bank, size: times * bank.size } };
  if (rows.method !== 'cross-entropy' || unscaled.method !== 'cross-entropy') return more;
  const oldDocument = old === null ? rows.oldDocument : old * unscaled.oldDocument;
  return { ...more, rows: { ...rows, oldDocument, options: { ...rows.options, pull: pull * rows.options.pull } } };
}

/**
 * Multiples of what atomic docids have, chosen on 500 additions to squad_wiki; `old` of what an old document counts in a small
 * corpus, however many there are. null: as with atomic docids.
 */
const WHOLE = { hashed: { pull: 0.3, bank: 2, old: null }, semantic: { pull: 0.3, bank: 3, old: 0.4 } } as const;

/**
 * For docids that are paths: their scores are probabilities, the best document's often more than a half, so that the margins
 * of atomic docids, whose scores differ by more, would have an added document win whatever is asked.
 */
function forPaths(settings: EditSettings): EditSettings {
  const { weights } = settings;
  if (!weights) return settings;
  const target = { ...weights.target, margin: PATHS.margin * weights.target.margin };
  const options = 'lambda' in weights.options ? { ...weights.options, lambda: PATHS.lambda * weights.options.lambda } : weights.options; // prettier-ignore
  return { ...settings, weights: { ...weights, target, options } as EditSettings['weights'] };
}

/** Multiples of what atomic docids have. */
const PATHS = { margin: 0.5, lambda: 4 } as const;

/** Multiplications with weights that the queries of a bank may take, for each position of their tokens. */
const BANK_WORK = 5e11;
const LEAST_BANK = 1000;

/**
 * The settings with a bank that a model can read in some minutes: as it is for up to 62 million weights, fewer queries in
 * proportion for more.
 *
 * @param weights  numbers in the matrices of all layers
 */
export function withBankFor(settings: EditSettings, weights: number): EditSettings {
  const most = Math.max(LEAST_BANK, Math.floor(BANK_WORK / weights));
  return { ...settings, bank: { ...settings.bank, size: Math.min(settings.bank.size, most) } };
}

/** What a new row costs old documents counts so many times as much, in the rows and in the weights. */
export function withOldWeight(settings: EditSettings, factor: number): EditSettings {
  const rows =
    'oldDocument' in settings.rows
      ? { ...settings.rows, oldDocument: factor * settings.rows.oldDocument }
      : settings.rows;
  const { weights } = settings;
  if (!weights || !('lambda' in weights.options)) return { ...settings, rows };
  const options = { ...weights.options, lambda: factor * weights.options.lambda };
  return { ...settings, rows, weights: { ...weights, options } as EditSettings['weights'] };
}

/**
 * @file How far ahead a row is on its document's queries: where the model was trained with the document, and where it never
 * saw it. What is between the two is the trace that training left in the weights beside the row.
 */
import type { EditModel } from '../edit-model.ts';
import { dotAt } from '../methods/rows/problem.ts';
import type { QueryBank } from '../query-bank.ts';

/** Leads over the best other row in logits, at evenly spaced shares of the queries from the lowest to the highest. */
export interface TraceLevel {
  readonly indexed: readonly number[];
  readonly neverIndexed: readonly number[];
}

const POINTS = 41;

/**
 * Measures the level with documents that the model never saw, each with the row of its text and its queries.
 */
export async function measureLevel(
  model: EditModel,
  bank: QueryBank,
  controls: readonly { readonly title: string; readonly text: string; readonly queries: readonly string[] }[],
): Promise<TraceLevel> {
  const never: number[] = [];
  for (const control of controls) {
    const { states } = await model.observe(control.queries);
    const row = bank.textRows.row(control);
    const { best } = await model.scores(states);
    best.forEach((rival, q) => never.push(dotAt(row, 0, states.data, q, row.length) - rival));
  }
  return { indexed: indexedLeads(bank), neverIndexed: quantiles(never) };
}

const indexedLeads = ({ scores: { own, best } }: QueryBank): number[] =>
  quantiles(Array.from(own, (score, p) => score - best[p]).filter(Number.isFinite));

/**
 * The lead of never-indexed documents at 0, 10, … 100 % of the queries, as shares of the median lead of indexed ones: 107
 * documents, 856 queries, the built-in model.
 */
const NEVER = [-2.18, -0.83, -0.55, -0.33, -0.16, -0.03, 0.11, 0.27, 0.42, 0.71, 1.65];

/** The level of a model of which nobody knows documents that it never saw. */
export function usualLevel(bank: QueryBank): TraceLevel {
  const indexed = indexedLeads(bank);
  const median = Math.max(0, indexed[POINTS >> 1]);
  return { indexed, neverIndexed: NEVER.map((share) => share * median) };
}

/**
 * What a lead would be had the model never seen the document: that of never-indexed documents at the same share of the
 * queries. Never more than it is.
 */
export function levelledLead({ indexed, neverIndexed }: TraceLevel, lead: number): number {
  return Math.min(lead, at(neverIndexed, shareBelow(indexed, lead)));
}

function quantiles(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return Array.from({ length: POINTS }, (_, i) => at(sorted, i / (POINTS - 1)));
}

/** The value at a share of an ascending list, linear between two. */
function at(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** The inverse of `at`. */
function shareBelow(sorted: readonly number[], value: number): number {
  if (value <= sorted[0]) return 0;
  const above = sorted.findIndex((x) => x > value);
  if (above < 0) return 1;
  const [low, high] = [sorted[above - 1], sorted[above]];
  return (above - 1 + (value - low) / (high - low)) / (sorted.length - 1);
}

/** @file How widely each graph is searched: measured when graphs are built, with rows that stand for states. */
import { along, type Axes } from './axes.ts';
import type { RowGraph } from './row-graph.ts';

/** Rows that a search keeps in view, as far as is measured. */
export const REACHES = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048] as const;

/** Share of the ten best rows that searches are to find. */
const SHARE = 0.995;

/** States, and their best rows among all. */
export interface HeldOut {
  /** float32 [D] each */
  readonly states: readonly Float32Array[];
  readonly best: readonly (readonly number[])[];
}

/** How many of the best rows a graph leads to, by each of `REACHES`. */
export function findings(
  graph: RowGraph,
  members: ReadonlySet<number>,
  { states, best }: HeldOut,
  axes: Axes,
): number[] {
  const found = REACHES.map(() => 0);
  states.forEach((state, q) => {
    const wanted = best[q].filter((row) => members.has(row));
    if (!wanted.length) return;
    const plain = Array.from(along(state, axes));
    for (const [i, reach] of REACHES.entries()) {
      const rows = new Set(graph.nearest(plain, reach));
      found[i] += wanted.filter((row) => rows.has(row)).length;
    }
  });
  return found;
}

/**
 * As few rows in view of all graphs together as find enough: the graph is looked into more widely that gains most for it.
 *
 * @param found   of each graph, by each of `REACHES`
 * @param wanted  best rows of all held-out states
 */
export function chooseReaches(found: readonly (readonly number[])[], wanted: number): number[] {
  const chosen = found.map(() => 0);
  const hits = (): number => chosen.reduce((sum, at, graph) => sum + found[graph][at], 0);
  while (hits() < SHARE * wanted) {
    const steps = found.flatMap((counts, graph) =>
      counts.slice(chosen[graph] + 1).map((count, i) => {
        const [from, to] = [chosen[graph], chosen[graph] + 1 + i];
        return { graph, to, gain: (count - counts[from]) / (REACHES[to] - REACHES[from]) };
      }),
    );
    const best = steps.reduce((a, b) => (b.gain > a.gain ? b : a), { graph: -1, to: 0, gain: 0 });
    if (best.graph < 0) break; // wider finds no more
    chosen[best.graph] = best.to;
  }
  return chosen.map((at) => REACHES[at]);
}

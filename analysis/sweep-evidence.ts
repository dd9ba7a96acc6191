/** @file The results of the layer sweeps, and how the cost of a setting is looked up in them. */
import type { ComponentType } from './components.ts';
import { ranksIn, type Outcome } from './patch-runs.ts';
import type { Ranking } from './population.ts';

/** Which components are replaced in one run, and by what. */
export interface Setting {
  readonly types: readonly ComponentType[];
  /** Layers [from, to) … */
  readonly from: number;
  readonly to: number;
  /** … without this one; null: all of them. */
  readonly except: number | null;
  readonly by: 'zero' | 'mean';
}

/** Causal evidence by layer: what becomes of each correct query when components of some layers are replaced. */
export interface LayerSweeps {
  /** Decoder layers, L. */
  readonly layers: number;
  readonly ranking: Ranking;
  /** The unpatched baseline. */
  readonly clean: Outcome;
  readonly runs: readonly (Setting & Outcome)[];
}

/** Equal for equal settings. */
export const settingKey = ({ types, from, to, except, by }: Setting): string =>
  `${by} ${types.join('+')} ${from}-${to}${except === null ? '' : ` but ${except}`}`;

/** What one run costs each query, float64 [Q] each. */
export interface Cost {
  /** 1 = the document left rank 1. */
  readonly left: Float64Array;
  /** By how much the margin fell, in logits. */
  readonly fall: Float64Array;
}

export interface SweepEvidence {
  readonly queries: number;
  readonly layers: number;
  /** What replacing components of layers [from, to) costs; nothing where there are none: the unpatched baseline. */
  readonly cost: (
    by: Setting['by'],
    types: ComponentType | readonly ComponentType[],
    from: number,
    to: number,
    except?: number,
  ) => Cost;
}

/** Layer sweeps by setting. */
export function sweepEvidence({ layers, ranking, clean, runs }: LayerSweeps): SweepEvidence {
  const queries = clean.rank.length;
  const costOf = (outcome: Outcome): Cost => {
    const ranks = ranksIn(outcome, ranking);
    const left = Float64Array.from(ranks, (rank) => (rank === 1 ? 0 : 1));
    const fall = Float64Array.from(outcome.margin, (margin, q) => clean.margin[q] - margin);
    return { left, fall };
  };
  const none = costOf(clean);
  const known = new Map(runs.map((run) => [settingKey(run), run]));
  const costs = new Map<string, Cost>();
  return {
    queries,
    layers,
    cost(by, types, from, to, except) {
      if (from >= to) return none;
      const setting = { by, types: typeof types === 'string' ? [types] : types, from, to, except: except ?? null };
      const key = settingKey(setting);
      const run = known.get(key);
      if (!run) throw new TypeError(`layer sweeps: expected the setting "${key}", got none`);
      let cost = costs.get(key);
      if (!cost) costs.set(key, (cost = costOf(run)));
      return cost;
    },
  };
}

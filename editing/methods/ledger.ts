import { factorize, solve, type Factor } from '../linear-algebra/cholesky.ts';
import { ExactSum, MAX_TERM, MAX_TERMS } from '../linear-algebra/exact-sum.ts';
import { changedSolution } from '../linear-algebra/woodbury.ts';
import {
  InvalidEditError,
  checkPairs,
  prior,
  widen,
  type EditMethod,
  type EditPairs,
  type EditedLayer,
  type PriorOptions,
} from './method.ts';
import { giveWay } from '../right-of-way.ts';
import { addInto } from './products.ts';

/** An entry that a ledger does not have, or has already. */
export class LedgerEntryError extends Error {
  override readonly name = 'LedgerEntryError';
  readonly id: string;
  constructor(id: string, expected: string, actual: string) {
    super(`ledger: expected ${expected}, got entry '${id}', which is ${actual}; was this edit applied before?`);
    this.id = id;
  }
}

/** What a trial changes. */
export interface LedgerChange {
  readonly add?: readonly EditPairs[];
  readonly remove?: readonly string[];
}

export interface LedgerEquations {
  /** A, float64 [F, F], of which the upper triangle is meant. */
  readonly left: Float64Array;
  /** B, float64 [F, D] */
  readonly right: Float64Array;
}

/**
 * The edits of one layer, each under the id it can be taken back by:
 *
 *     A = λC₀ + εI + Σ w kᵀk        B = Σ w kᵀr        ΔW = A⁻¹B
 *
 * which minimises Σ w‖kΔW − r‖² + λE‖k₀ΔW‖² + ε‖ΔW‖². Both sums are exact and the rest is computed from them alone, so the
 * bytes of ΔW are a function of the set of entries: neither their order, nor entries that came and went, leave a trace.
 */
export class Ledger {
  private readonly layer: EditedLayer;
  private readonly prior: Float64Array;
  private readonly entries = new Map<string, EditPairs>();
  private readonly moments: ExactSum;
  private readonly cross: ExactSum;
  private solved: { readonly factor: Factor; readonly x: Float64Array } | undefined;
  /** Kept from one solution to the next: A and its factor, B and A⁻¹B. */
  private readonly left: Float64Array;
  private readonly right: Float64Array;
  private count = 0;

  /** @throws InvalidEditError  for options out of range */
  constructor(layer: EditedLayer, options: PriorOptions) {
    const F = layer.covariance.size;
    this.layer = layer;
    this.prior = prior(layer.covariance, options);
    this.moments = new ExactSum(F, F, true);
    this.cross = new ExactSum(F, layer.d_model);
    this.left = new Float64Array(F * F);
    this.right = new Float64Array(F * layer.d_model);
  }

  /** Pairs of all entries. */
  get size(): number {
    return this.count;
  }

  has(id: string): boolean {
    return this.entries.has(id);
  }

  /**
   * Keeps the pairs, which must not change afterwards: as they were, they are taken back.
   *
   * @throws InvalidEditError
   * @throws LedgerEntryError  when there is an entry of this id
   */
  add(id: string, pairs: EditPairs): void {
    if (this.entries.has(id)) throw new LedgerEntryError(id, 'a new id', 'in the ledger');
    this.checkFits(pairs);
    this.entries.set(id, pairs);
    this.sum(pairs, 1);
  }

  /**
   * Keeps the same pairs as another object: one that has them in the store.
   *
   * @throws LedgerEntryError  when there is no entry of this id
   */
  hold(id: string, pairs: EditPairs): void {
    this.entry(id);
    this.entries.set(id, pairs);
  }

  /** @throws LedgerEntryError  when there is no entry of this id */
  remove(id: string): void {
    const entry = this.entry(id);
    this.entries.delete(id);
    this.sum(entry, -1);
  }

  /**
   * ΔW of all entries, float32 [F, D].
   *
   * @throws NotPositiveDefiniteError  when λC₀ + εI does not hold all directions of keys
   */
  delta(): Float32Array {
    return new Float32Array(this.solution().x);
  }

  /**
   * ΔW as it would be after a change, which does not happen: float32 [F, D], equal to that of `delta` afterwards up to
   * rounding. Much faster for few pairs, see `changedSolution`.
   *
   * @throws InvalidEditError
   * @throws LedgerEntryError
   * @throws NotPositiveDefiniteError
   */
  trial({ add = [], remove = [] }: LedgerChange): Float32Array {
    const twice = remove.find((id, i) => remove.indexOf(id) < i);
    if (twice !== undefined) throw new LedgerEntryError(twice, 'each id once', 'removed twice');
    for (const pairs of add) this.checkFits(pairs);
    const coming = add.map((pairs) => widen(this.layer, pairs));
    const going = remove.map((id) => widen(this.layer, this.entry(id)));
    const all = [...coming, ...going];
    const { factor, x } = this.solution();
    if (!all.length) return new Float32Array(x);
    const terms = {
      keys: concat(all.map(({ keys }) => keys)),
      residuals: concat(all.map(({ residuals }) => residuals)),
      weights: concat([...coming.map((p) => p.weights), ...going.map((p) => p.weights.map((w) => -w))]),
    };
    return new Float32Array(changedSolution(factor, x, this.layer.d_model, terms));
  }

  /** What ΔW = A⁻¹B is solved from, until the ledger is asked for anything else: the memory is its own. */
  equations(): LedgerEquations {
    this.solved = undefined;
    return { left: addInto(this.moments.value(this.left), this.prior), right: this.cross.value(this.right) };
  }

  private solution(): { readonly factor: Factor; readonly x: Float64Array } {
    if (!this.solved) {
      giveWay();
      const { left, right } = this.equations();
      const factor = factorize(left, this.layer.covariance.size, 'ledger');
      giveWay();
      this.solved = { factor, x: solve(factor, right, this.layer.d_model) };
    }
    return this.solved;
  }

  private entry(id: string): EditPairs {
    const entry = this.entries.get(id);
    if (!entry) throw new LedgerEntryError(id, 'the id of an entry', 'not in the ledger');
    return entry;
  }

  /** Pairs that keep the sums exact. */
  private checkFits(pairs: EditPairs): number {
    const count = checkPairs(this.layer, pairs);
    if (this.count + count > MAX_TERMS) {
      const advice = 'fold the edits into the base weights';
      throw new InvalidEditError('ledger', `at most ${MAX_TERMS} pairs`, `${this.count + count}`, advice);
    }
    const weight = Array.from(pairs.weights ?? [1]).reduce((most, w) => Math.max(most, w), 0);
    const key = largest(pairs.keys);
    const product = weight * key * Math.max(key, largest(pairs.residuals));
    if (product > MAX_TERM) {
      const advice = 'scale weights and λ down, or keys';
      throw new InvalidEditError('ledger', `products w·k·k and w·k·r up to ${MAX_TERM}`, `${product}`, advice);
    }
    return count;
  }

  private sum(pairs: EditPairs, sign: 1 | -1): void {
    const { keys, residuals } = pairs;
    const weights = pairs.weights ?? new Float64Array(keys.length / this.layer.covariance.size).fill(1);
    this.moments.add(keys, keys, weights, sign);
    this.cross.add(keys, residuals, weights, sign);
    this.count += sign * weights.length;
    this.solved = undefined;
  }
}

const largest = (values: Float32Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

function concat(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The ledger as a function of history and new pairs. `current` is not read: it follows from the history. */
export const ledger: EditMethod<PriorOptions> = {
  meaning: 'ridge regression on all edits in force, against the outputs of stored queries; can be undone exactly',
  source: 'MEMIT’s normal equations with all earlier edits, targets counted from the base weights',
  defaults: { lambda: 100, ridge: 1 },
  prepare: (layer, options) => {
    prior(layer.covariance, options); // checks them
    return ({ pairs, history = [] }) => {
      const all = new Ledger(layer, options);
      [...history, pairs].forEach((entry, i) => all.add(String(i), entry));
      return all.delta();
    };
  },
};

/** What the queries on which two systems differ tell about them. */
export interface McNemar {
  /** Queries that only the first answers, and that only the second answers. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided probability of a split at least as uneven, were the two equally good. */
  readonly p: number;
}

/** Values that cannot be compared query by query. */
export class UnpairedError extends Error {
  override readonly name = 'UnpairedError';
  constructor(expected: string, actual: string) {
    super(`McNemar's test: expected ${expected}, got ${actual}`);
  }
}

/**
 * McNemar's exact test on a measure of 0 and 1 (Success@k) of the same queries under two systems, or before and after an
 * edit. Among the n queries that exactly one of them answers, the lesser count is binomial(n, ½) if both are equally
 * good: p = min(1, 2 Σ_{i ≤ lesser} C(n, i) / 2ⁿ). McNemar, Psychometrika 12 (1947).
 *
 * @param first, second  one value per query, in the same order of queries
 * @throws UnpairedError
 */
export function mcnemar(first: ArrayLike<number>, second: ArrayLike<number>): McNemar {
  if (first.length !== second.length)
    throw new UnpairedError('values of the same queries', `${first.length} and ${second.length} values`);
  let onlyFirst = 0;
  let onlySecond = 0;
  for (let i = 0; i < first.length; i++) {
    for (const value of [first[i], second[i]])
      if (value !== 0 && value !== 1) throw new UnpairedError('values of 0 and 1', String(value));
    if (first[i] > second[i]) onlyFirst++;
    else if (second[i] > first[i]) onlySecond++;
  }
  return { onlyFirst, onlySecond, p: twoSidedSignTest(onlyFirst + onlySecond, Math.min(onlyFirst, onlySecond)) };
}

/** In logarithms, since 2ⁿ leaves the range of numbers at n = 1,024. */
function twoSidedSignTest(n: number, lesser: number): number {
  let logTerm = -n * Math.LN2; // ln(C(n, 0) / 2ⁿ)
  const logTerms = [logTerm];
  for (let i = 0; i < lesser; i++) logTerms.push((logTerm += Math.log((n - i) / (i + 1))));
  // Terms grow up to the last, since lesser ≤ n / 2.
  const sum = logTerms.reduce((total, term) => total + Math.exp(term - logTerm), 0);
  return Math.min(1, 2 * Math.exp(logTerm) * sum);
}

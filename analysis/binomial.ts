import type { Interval } from './bootstrap.ts';

/**
 * The exact interval of a share (Clopper and Pearson, Biometrika 26, 1934): from the share under which `successes` or
 * more of `n` have the probability (1 − level)/2, to the one under which `successes` or fewer have it. It holds the true
 * share in `level` of the cases or more, also where `n` is 10.
 *
 * @param level  @default 0.95
 */
export function clopperPearson(successes: number, n: number, level = 0.95): Interval {
  const tail = (1 - level) / 2;
  return {
    low: successes === 0 ? 0 : rootOf((share) => 1 - atMost(successes - 1, n, share) - tail),
    high: successes === n ? 1 : rootOf((share) => tail - atMost(successes, n, share)),
  };
}

/** P(X ≤ k) of X binomial(n, share), 0 < share < 1, summed from logarithms since C(n, k) leaves the range of numbers. */
function atMost(k: number, n: number, share: number): number {
  const logOdds = Math.log(share) - Math.log1p(-share);
  let logTerm = n * Math.log1p(-share);
  let sum = Math.exp(logTerm);
  for (let i = 0; i < k; i++) sum += Math.exp((logTerm += Math.log((n - i) / (i + 1)) + logOdds));
  return sum;
}

/** Where `f`, which rises on (0, 1), is 0: by halves, down to the precision of a float64 below 1. */
function rootOf(f: (share: number) => number): number {
  let [low, high] = [0, 1];
  for (let i = 0; i < 52; i++) {
    const middle = (low + high) / 2;
    if (f(middle) < 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

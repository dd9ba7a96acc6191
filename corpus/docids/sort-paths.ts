/** The paths of N documents, end to end. */
export interface PathIds {
  /** int32: the path of document n is tokens[offsets[n] … offsets[n + 1]). */
  readonly tokens: Int32Array;
  /** int32 [N + 1] */
  readonly offsets: Int32Array;
}

const digitBits = 16;
const digitMask = (1 << digitBits) - 1;

/**
 * The documents in the lexicographic order of their paths, a path before those it is a prefix of. A radix sort from the
 * last position to the first; at each position the paths that reach it, those that end there in front. The work is the sum of lengths.
 *
 * @returns int32 [N]
 */
export function sortPaths({ tokens, offsets }: PathIds): Int32Array {
  const N = offsets.length - 1;
  const { byLength, ends } = documentsByLength(offsets);
  const digits = tokens.reduce((most, token) => Math.max(most, token), 0) > digitMask ? [0, digitBits] : [0];
  let order = new Int32Array(N);
  let spare = new Int32Array(N);
  const counts = new Int32Array(digitMask + 1);
  let start = N; // documents whose path reaches the position stand in order[start … N)
  for (let t = ends.length - 2; t >= 0; t--) {
    // Longer paths lie sorted at the end already.
    const [from, to] = [ends[t], ends[t + 1]];
    start -= to - from;
    order.set(byLength.subarray(from, to), start);
    for (const shift of digits) {
      counts.fill(0);
      for (let i = start; i < N; i++) counts[(tokens[offsets[order[i]] + t] >>> shift) & digitMask]++;
      for (let digit = 0, sum = start; digit <= digitMask; digit++) {
        const count = counts[digit];
        counts[digit] = sum;
        sum += count;
      }
      for (let i = start; i < N; i++) {
        const document = order[i];
        spare[counts[(tokens[offsets[document] + t] >>> shift) & digitMask]++] = document;
      }
      [order, spare] = [spare, order];
    }
  }
  return order;
}

/** Documents by the length of their paths: those of length t + 1 stand at ends[t] … ends[t + 1]. */
function documentsByLength(offsets: Int32Array): { byLength: Int32Array; ends: Int32Array } {
  const N = offsets.length - 1;
  let longest = 0;
  for (let n = 0; n < N; n++) longest = Math.max(longest, offsets[n + 1] - offsets[n]);
  const ends = new Int32Array(longest + 1);
  for (let n = 0; n < N; n++) ends[offsets[n + 1] - offsets[n]]++;
  for (let t = 1; t <= longest; t++) ends[t] += ends[t - 1];
  const free = ends.slice();
  const byLength = new Int32Array(N);
  for (let n = 0; n < N; n++) byLength[free[offsets[n + 1] - offsets[n] - 1]++] = n;
  return { byLength, ends };
}

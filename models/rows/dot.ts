/** Σ table[at + i] · state[i], in double precision; four sums, so that they do not wait for each other. */
export function dot(table: Float32Array, at: number, state: Float32Array): number {
  const n = state.length;
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    a += table[at + i] * state[i];
    b += table[at + i + 1] * state[i + 1];
    c += table[at + i + 2] * state[i + 2];
    d += table[at + i + 3] * state[i + 3];
  }
  for (; i < n; i++) a += table[at + i] * state[i];
  return a + b + (c + d);
}

/** Euclidean. */
export const lengthOf = (vector: Float32Array): number => Math.sqrt(dot(vector, 0, vector));

/** Adds weight · h hᵀ to the upper triangle of `a`, float64 [n, n], for row `at` of `h`. */
export function addOuter(a: Float64Array, n: number, weight: number, h: Float32Array | Float64Array, at = 0): void {
  const from = at * n;
  for (let i = 0; i < n; i++) {
    const scaled = weight * h[from + i];
    if (scaled === 0) continue;
    for (let j = i; j < n; j++) a[i * n + j] += scaled * h[from + j];
  }
}

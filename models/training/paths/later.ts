/**
 * Gives the code of later documents the mean row of the tokens that paths begin with: read behind the start token, it says
 * that a path has begun, as each of them does, and nothing of the cluster. It is not learned: no query leads to it, and
 * documents that come later bring rows of their own for the step at which it would be chosen (`editing/whole-path.ts`).
 *
 * @param rows   float32 [E, D] of the codes, written at `later`
 * @param first  codes that paths begin with
 */
export function placeLater(rows: Float32Array, first: Iterable<number>, later: number, width: number): void {
  const codes = new Set(first);
  const row = rows.subarray(later * width, (later + 1) * width).fill(0);
  for (const code of codes) for (let j = 0; j < width; j++) row[j] += rows[code * width + j] / codes.size;
}

/** A matrix inside an array: element (i, j) stands at offset + i·row + j·column. */
export interface Block {
  readonly data: Float64Array;
  readonly offset: number;
  readonly row: number;
  readonly column: number;
}

/** A row-major matrix of `columns` columns, from element (i, j) on. */
export const block = (data: Float64Array, columns: number, i = 0, j = 0): Block => ({
  data,
  offset: i * columns + j,
  row: columns,
  column: 1,
});

export const transposed = ({ data, offset, row, column }: Block): Block => ({ data, offset, row: column, column: row });

interface Size {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
}

/** Products of one pass: two strips of this length stay in the first-level cache. */
const INNER = 256;
const [TALL, WIDE] = [2, 4];

/**
 * c += a·b, or −= with `sign` −1. Every element is summed in float64 over ascending inner index, beginning with what c
 * holds: neither tiles nor the way a long sum is cut into calls changes a bit of the result, on no machine.
 *
 * @param a          [rows, inner]
 * @param b          [inner, columns]
 * @param c          [rows, columns], changed in place
 * @param upperOnly  leaves out tiles that lie wholly below the diagonal of c
 */
export function addProduct(c: Block, a: Block, b: Block, size: Size, sign: 1 | -1 = 1, upperOnly = false): void {
  const [high, wide] = [Math.ceil(size.rows / TALL) * TALL, Math.ceil(size.columns / WIDE) * WIDE];
  const depth = Math.min(INNER, size.inner);
  const [left, right] = [new Float64Array(high * depth), new Float64Array(wide * depth)];
  for (let from = 0; from < size.inner; from += INNER) {
    const inner = Math.min(INNER, size.inner - from);
    pack(left, a.data, a.offset + from * a.column, a.row, a.column, size.rows, inner, TALL, sign);
    pack(right, b.data, b.offset + from * b.row, b.column, b.row, size.columns, inner, WIDE, 1);
    for (let j = 0; j < size.columns; j += WIDE) {
      const end = upperOnly ? Math.min(size.rows, j + WIDE) : size.rows;
      for (let i = 0; i < end; i += TALL)
        if (i + TALL <= size.rows && j + WIDE <= size.columns) tile(c, i, j, left, right, inner);
        else edge(c, i, j, left, right, inner, size);
    }
  }
}

/** Strips of `width` rows, each index by index, times `sign`; what is missing of the last one is 0. */
function pack(
  to: Float64Array,
  data: Float64Array,
  offset: number,
  row: number,
  column: number,
  rows: number,
  inner: number,
  width: number,
  sign: number,
): void {
  let at = 0;
  for (let strip = 0; strip < rows; strip += width)
    for (let k = 0; k < inner; k++)
      for (let i = strip; i < strip + width; i++) to[at++] = i < rows ? sign * data[offset + i * row + k * column] : 0;
}

/** Two rows by four columns of c, eight sums in registers. */
function tile(c: Block, i: number, j: number, left: Float64Array, right: Float64Array, inner: number): void {
  const { data, column } = c;
  const r = c.offset + i * c.row + j * column;
  const s = r + c.row;
  let [c00, c01, c02, c03] = [data[r], data[r + column], data[r + 2 * column], data[r + 3 * column]];
  let [c10, c11, c12, c13] = [data[s], data[s + column], data[s + 2 * column], data[s + 3 * column]];
  let p = i * inner;
  let q = j * inner;
  for (let k = 0; k < inner; k++, p += 2, q += 4) {
    const x = left[p];
    const y = left[p + 1];
    const b0 = right[q];
    const b1 = right[q + 1];
    const b2 = right[q + 2];
    const b3 = right[q + 3];
    c00 += x * b0;
    c01 += x * b1;
    c02 += x * b2;
    c03 += x * b3;
    c10 += y * b0;
    c11 += y * b1;
    c12 += y * b2;
    c13 += y * b3;
  }
  data[r] = c00;
  data[r + column] = c01;
  data[r + 2 * column] = c02;
  data[r + 3 * column] = c03;
  data[s] = c10;
  data[s + column] = c11;
  data[s + 2 * column] = c12;
  data[s + 3 * column] = c13;
}

function edge(
  c: Block,
  i: number,
  j: number,
  left: Float64Array,
  right: Float64Array,
  inner: number,
  { rows, columns }: Size,
): void {
  for (let di = 0; di < Math.min(TALL, rows - i); di++)
    for (let dj = 0; dj < Math.min(WIDE, columns - j); dj++) {
      const at = c.offset + (i + di) * c.row + (j + dj) * c.column;
      let sum = c.data[at];
      for (let k = 0; k < inner; k++) sum += left[i * inner + k * TALL + di] * right[j * inner + k * WIDE + dj];
      c.data[at] = sum;
    }
}

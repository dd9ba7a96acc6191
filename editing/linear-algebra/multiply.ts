import { addTiles, left, MOST_COLUMNS, MOST_INNER, MOST_ROWS, part, right, TILE } from './multiply-kernel.ts';

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
  if (!size.inner) return;
  for (let i = 0; i < size.rows; i += MOST_ROWS) {
    const rows = Math.min(MOST_ROWS, size.rows - i);
    for (let j = 0; j < size.columns; j += MOST_COLUMNS) {
      const columns = Math.min(MOST_COLUMNS, size.columns - j);
      if (!upperOnly || i < j + columns) addPart(c, a, b, { i, j, rows, columns, inner: size.inner }, sign, upperOnly);
    }
  }
}

interface Part extends Size {
  /** Of its first row and column in the whole. */
  readonly i: number;
  readonly j: number;
}

function addPart(c: Block, a: Block, b: Block, size: Part, sign: 1 | -1, upperOnly: boolean): void {
  const { i, j, rows, columns } = size;
  const width = padded(columns);
  const [first, last] = [c.offset + i * c.row + j * c.column, rows * width];
  part.fill(0, 0, padded(rows) * width);
  for (let at = 0, from = first; at < last; at += width, from += c.row) read(at, c, from, columns);
  for (let k = 0; k < size.inner; k += MOST_INNER) {
    const inner = Math.min(MOST_INNER, size.inner - k);
    pack(left, a.data, a.offset + i * a.row + k * a.column, a.row, a.column, rows, inner, sign);
    pack(right, b.data, b.offset + k * b.row + j * b.column, b.column, b.row, columns, inner, 1);
    for (let column = 0; column < columns; column += TILE) {
      const end = upperOnly ? Math.min(rows, j + column + TILE - i) : rows;
      if (end > 0) addTiles(padded(end), width, column, inner);
    }
  }
  for (let at = 0, to = first; at < last; at += width, to += c.row) write(at, c, to, columns);
}

const padded = (count: number): number => TILE * Math.ceil(count / TILE);

function read(at: number, { data, column }: Block, from: number, columns: number): void {
  for (let j = 0; j < columns; j++) part[at + j] = data[from + j * column];
}

function write(at: number, { data, column }: Block, to: number, columns: number): void {
  for (let j = 0; j < columns; j++) data[to + j * column] = part[at + j];
}

/** Strips of four rows, each index by index, times `sign`; what is missing of the last one is 0. */
function pack(
  to: Float64Array,
  data: Float64Array,
  offset: number,
  row: number,
  column: number,
  rows: number,
  inner: number,
  sign: number,
): void {
  let at = 0;
  let strip = 0;
  for (; strip + TILE <= rows; strip += TILE) {
    let from = offset + strip * row;
    for (let k = 0; k < inner; k++, at += TILE, from += column) {
      to[at] = sign * data[from];
      to[at + 1] = sign * data[from + row];
      to[at + 2] = sign * data[from + 2 * row];
      to[at + 3] = sign * data[from + 3 * row];
    }
  }
  if (strip === rows) return;
  for (let k = 0; k < inner; k++)
    for (let i = strip; i < strip + TILE; i++) to[at++] = i < rows ? sign * data[offset + i * row + k * column] : 0;
}

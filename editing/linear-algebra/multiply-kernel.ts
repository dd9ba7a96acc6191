/**
 * @file The inner loops of a product of float64 matrices in WebAssembly SIMD, four rows by four columns with all sixteen sums
 * in registers: three times as fast as the same loops over typed arrays, which V8 compiles to scalar float64. A product and
 * an addition stay two roundings, so that the bytes are those of the plain loop.
 *
 *     tiles(c, end of c, bytes of a row, left, right, bytes of a strip)
 *
 * adds to four columns of c, from the row at `c` to the one before `end`, the products of the strips of `left`, one for
 * every four rows, with the one of `right`. A strip is four numbers for each inner index.
 */
import { at, func, get, I32, section, set, simd, sleb, tee, text, V128, wasmModule } from '../../models/wasm-module.ts';

/** Rows and columns of a tile. */
export const TILE = 4;

/** Rows, columns and inner indices that the memory has room for: what is larger goes in parts. */
export const [MOST_ROWS, MOST_COLUMNS, MOST_INNER] = [256, 512, 256];

interface Kernel {
  tiles(c: number, end: number, row: number, left: number, right: number, strip: number): void;
}

const [LOAD, SPLAT, STORE] = [0, 10, 11];
const [ADD, MUL] = [simd(240), simd(242)];
const PLUS = 0x6a;

/** Parameters 0–5, locals 6–9 the offsets in the strips, the end of the left one and a row of c. */
const [C, END, ROW, LEFT, RIGHT, STRIP, P, Q, STOP, R] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** Locals 10–17 the sums, then two vectors of a row of `right`, then a number of `left` twice. */
const sum = (row: number, half: number): number => 10 + 2 * row + half;
const pair = (half: number): number => 18 + half;
const TWICE = 20;
const FOUR = [0, 1, 2, 3];
const HALVES = [0, 1];

/** The four rows of c, one after the other. */
const eachRow = (body: (row: number) => readonly number[]): number[] => [
  ...[...get(C), ...set(R)],
  ...FOUR.flatMap((row) => [...body(row), ...get(R), ...get(ROW), PLUS, ...set(R)]),
];

const tiles = func(
  [
    [4, I32],
    [11, V128],
  ],
  [
    ...[0x03, 0x40],
    ...eachRow((row) => HALVES.flatMap((half) => [...get(R), ...at(LOAD, 16 * half), ...set(sum(row, half))])),
    ...[...get(LEFT), ...tee(P), ...get(STRIP), PLUS, ...set(STOP), ...get(RIGHT), ...set(Q)],
    ...[0x03, 0x40],
    ...HALVES.flatMap((half) => [...get(Q), ...at(LOAD, 16 * half), ...set(pair(half))]),
    ...FOUR.flatMap((row) => [
      ...[...get(P), ...at(SPLAT, 8 * row), ...set(TWICE)],
      ...HALVES.flatMap((half) => [
        ...[...get(sum(row, half)), ...get(TWICE), ...get(pair(half)), ...MUL, ...ADD, ...set(sum(row, half))],
      ]),
    ]),
    ...[...get(Q), 0x41, 32, PLUS, ...set(Q)],
    ...[...get(P), 0x41, 32, PLUS, ...tee(P), ...get(STOP), 0x49, 0x0d, 0, 0x0b],
    ...eachRow((row) => HALVES.flatMap((half) => [...get(R), ...get(sum(row, half)), ...at(STORE, 16 * half)])),
    ...[...get(P), ...set(LEFT)],
    ...[...get(R), ...tee(C), ...get(END), 0x49, 0x0d, 0, 0x0b],
  ],
);

const numbers = MOST_ROWS * MOST_INNER + MOST_COLUMNS * MOST_INNER + MOST_ROWS * MOST_COLUMNS;

const kernel = wasmModule<Kernel>(
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, 6, I32, I32, I32, I32, I32, I32, 0]]),
    ...section(3, [[0]]),
    ...section(5, [[0, ...sleb((8 * numbers) / 65_536)]]),
    ...section(7, [
      [...text('memory'), 2, 0],
      [...text('tiles'), 0, 0],
    ]),
    ...section(10, [tiles]),
  ]),
)();

const { buffer } = kernel.memory;
/** Strips of the left and of the right matrix, and the part of the product that they are added to, row by row. */
export const left = new Float64Array(buffer, 0, MOST_ROWS * MOST_INNER);
export const right = new Float64Array(buffer, left.byteLength, MOST_COLUMNS * MOST_INNER);
export const part = new Float64Array(buffer, left.byteLength + right.byteLength, MOST_ROWS * MOST_COLUMNS);

/**
 * Adds the products of `inner` indices to four columns of `part`.
 *
 * @param rows   of which there are strips, a multiple of 4
 * @param width  of a row of `part`
 */
export function addTiles(rows: number, width: number, column: number, inner: number): void {
  const c = part.byteOffset + 8 * column;
  const strip = 8 * column * inner;
  kernel.tiles(c, c + 8 * width * rows, 8 * width, 0, right.byteOffset + strip, 8 * TILE * inner);
}

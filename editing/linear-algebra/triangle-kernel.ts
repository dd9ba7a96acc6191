/**
 * @file The inner loops of solving with a triangular matrix, and of making one, in WebAssembly SIMD: float64, four rows of
 * four columns at a time with all sixteen sums in registers. Matrices are in strips of four columns, each row by row, one
 * strip after the other: 32 bytes a row. Every element is summed over the rows before it, in ascending order, then over
 * those of its own four; a product and a subtraction are two roundings, as in the plain loop.
 *
 *     subtract(u, stop, b, end, strip)   from the rows at `stop` − `u` of the strips of b, what those above them take away
 *     lower(u, stop, b, end, strip)      the same, then four rows of U⁻ᵀB, U's strip of these rows being at `u`
 *     upper(u, stop, b, end, strip, at)  four rows of U⁻¹B, those at `at`, their diagonal block of U being at `u`
 */
import { at, func, get, I32, section, set, simd, sleb, tee, text, V128, wasmModule } from '../../models/wasm-module.ts';

/** Columns of a strip, and rows that are solved together. */
export const STRIP = 4;

interface Kernel {
  subtract(u: number, stop: number, b: number, end: number, strip: number): void;
  lower(u: number, stop: number, b: number, end: number, strip: number): void;
  upper(u: number, stop: number, b: number, end: number, strip: number, at: number): void;
}

const [LOAD, SPLAT, STORE] = [0, 10, 11];
const [SUB, MUL, DIV] = [241, 242, 243].map(simd);
const [PLUS, MINUS, LESS] = [0x6a, 0x6b, 0x49];

/** Parameters, `upper` alone having the last one; places in u and b; the four rows of b. */
const [U, STOP, B, END, BYTES, AT, P, Q, ROWS] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
/** Sums, two columns each; a row of b; a number of u twice. */
const sum = (row: number, half: number): number => 9 + 2 * row + half;
const other = (half: number): number => 17 + half;
const TWICE = 19;
const locals = (parameters: number) =>
  [
    [9 - parameters, I32],
    [11, V128],
  ] as const;
const FOUR = [0, 1, 2, 3];
const HALVES = [0, 1];

const step = (local: number, bytes: readonly number[]): number[] => [...get(local), ...bytes, PLUS, ...set(local)];
const constant = (n: number): number[] => [0x41, ...sleb(n)];

/** For each strip of b: its four rows into the sums, `body`, and back. */
const overStrips = (offset: readonly number[], body: readonly number[]): number[] => [
  ...[0x03, 0x40, ...get(B), ...offset, PLUS, ...set(ROWS)],
  ...FOUR.flatMap((row) =>
    HALVES.flatMap((half) => [...get(ROWS), ...at(LOAD, 32 * row + 16 * half), ...set(sum(row, half))]),
  ),
  ...body,
  ...FOUR.flatMap((row) =>
    HALVES.flatMap((half) => [...get(ROWS), ...get(sum(row, half)), ...at(STORE, 32 * row + 16 * half)]),
  ),
  ...[...get(B), ...get(BYTES), PLUS, ...tee(B), ...get(END), LESS, 0x0d, 0, 0x0b],
];

/** As long as P is before `STOP`. */
const untilStop = (body: readonly number[]): number[] => [
  ...[0x02, 0x40, 0x03, 0x40, ...get(P), ...get(STOP), LESS, 0x45, 0x0d, 1],
  ...[...body, 0x0c, 0, 0x0b, 0x0b],
];

/** Takes away from a row of sums the number at an offset of `local` times two vectors. */
const takeAway = (row: number, local: number, offset: number, vectors: (half: number) => number): number[] => [
  ...[...get(local), ...at(SPLAT, offset), ...set(TWICE)],
  ...HALVES.flatMap((half) => [
    ...[...get(sum(row, half)), ...get(TWICE), ...get(vectors(half)), ...MUL, ...SUB, ...set(sum(row, half))],
  ]),
];

const divide = (row: number, local: number): number[] =>
  HALVES.flatMap((half) => [
    ...[...get(sum(row, half)), ...get(local), ...at(SPLAT, 40 * row), ...DIV, ...set(sum(row, half))],
  ]);

const rowOfB = (row: number): number[] =>
  HALVES.flatMap((half) => [...get(Q), ...at(LOAD, 32 * row + 16 * half), ...set(other(half))]);

const above = [
  ...[...get(U), ...set(P), ...get(B), ...set(Q)],
  ...untilStop([
    ...rowOfB(0),
    ...FOUR.flatMap((row) => takeAway(row, P, 8 * row, other)),
    ...[...step(P, constant(32)), ...step(Q, constant(32))],
  ]),
];
const placeOfRows = [...get(STOP), ...get(U), MINUS];

const subtract = func(locals(5), overStrips(placeOfRows, above));

const lower = func(
  locals(5),
  overStrips(placeOfRows, [
    ...above,
    ...FOUR.flatMap((row) => [
      ...FOUR.slice(0, row).flatMap((k) => takeAway(row, STOP, 32 * k + 8 * row, (half) => sum(k, half))),
      ...divide(row, STOP),
    ]),
  ]),
);

const upper = func(
  locals(6),
  overStrips(get(AT), [
    ...[...get(U), ...get(BYTES), PLUS, ...set(P), ...get(ROWS), ...constant(128), PLUS, ...set(Q)],
    ...untilStop([
      ...FOUR.flatMap((k) => [...rowOfB(k), ...FOUR.flatMap((row) => takeAway(row, P, 32 * row + 8 * k, other))]),
      ...[...step(P, get(BYTES)), ...step(Q, constant(128))],
    ]),
    ...[3, 2, 1, 0].flatMap((row) => [
      ...FOUR.slice(row + 1).flatMap((k) => takeAway(row, U, 32 * row + 8 * k, (half) => sum(k, half))),
      ...divide(row, U),
    ]),
  ]),
);

const parameters = (count: number): number[] => [0x60, count, ...new Array<number>(count).fill(I32), 0];

export const kernel = wasmModule<Kernel>(
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [parameters(5), parameters(6)]),
    ...section(3, [[0], [0], [1]]),
    ...section(5, [[0, ...sleb(1)]]),
    ...section(7, [
      [...text('memory'), 2, 0],
      [...text('subtract'), 0, 0],
      [...text('lower'), 0, 1],
      [...text('upper'), 0, 2],
    ]),
    ...section(10, [subtract, lower, upper]),
  ]),
)();

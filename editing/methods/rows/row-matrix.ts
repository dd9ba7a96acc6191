/**
 * @file Products of one vector with many rows in WebAssembly SIMD, four rows at a time: float32 rows, float64 sums, twice as
 * fast as the loops of `passes.ts`. A sum runs over even and odd places apart and adds the two at the end, so that it differs
 * from that of `passes.ts` by rounding; it does not depend on which rows stand beside it.
 *
 *     products(x, rows, out, end of out, bytes of a row)            out[q] = x · row q
 *     roughly(x, rows, out, end of out, bytes of a row)             the same from a float32 x with float32 sums, twice as fast
 *     addRows(y, rows, weights, end of weights, bytes of a row)     y += Σ_q weights[q] · row q
 */
import {
  at,
  func,
  get,
  I32,
  leb,
  section,
  set,
  simd,
  sleb,
  tee,
  text,
  V128,
  wasmModule,
} from '../../../models/wasm-module.ts';

interface Kernel {
  products(x: number, rows: number, out: number, end: number, width: number): void;
  roughly(x: number, rows: number, out: number, end: number, width: number): void;
  addRows(y: number, rows: number, weights: number, end: number, width: number): void;
}

/** Two float32 from here on as float64. */
const two = (offset: number): number[] => [...at(93, offset), ...simd(95)];
const MUL = simd(242);
const ADD = simd(240);
const PLUS = 0x6a;

/** Parameters 0–4, local 5 the offset in a row, 6–8 where the next three rows begin, 9–12 a vector for each row, 13 another. */
const [X, ROWS, OUT, END, WIDTH, I] = [0, 1, 2, 3, 4, 5];
const locals = [
  [4, I32],
  [5, V128],
] as const;
const row = (k: number): number => (k === 0 ? ROWS : 5 + k);
const vector = (k: number): number => 9 + k;
const FOUR = [0, 1, 2, 3];

/** Until the offset in the row has reached its end, in steps of four floats. */
const alongRow = (body: readonly number[]): number[] => [
  ...[0x41, 0, ...set(I)],
  ...[0x03, 0x40, ...body],
  ...[...get(I), 0x41, 16, PLUS, ...tee(I), ...get(WIDTH), 0x49, 0x0d, 0, 0x0b],
];

/** Until `OUT` has reached its end, four rows and four float64 at a time. */
const overRows = (body: readonly number[]): number[] => [
  ...[0x03, 0x40],
  ...[1, 2, 3].flatMap((k) => [...get(row(k - 1)), ...get(WIDTH), PLUS, ...set(row(k))]),
  ...body,
  ...[...get(row(3)), ...get(WIDTH), PLUS, ...set(ROWS)],
  ...[...get(OUT), 0x41, 32, PLUS, ...tee(OUT), ...get(END), 0x49, 0x0d, 0, 0x0b],
];

/** Where the float64 vector goes on beside the offset in the row. */
const besideRow = [...get(X), ...get(I), PLUS, ...get(I), PLUS];

const zero = [...simd(12), ...new Array<number>(16).fill(0)];
const lane = (k: number, i: number): number[] => [...get(vector(k)), ...simd(33), i];

const products = func(locals, [
  ...overRows([
    ...FOUR.flatMap((k) => [...zero, ...set(vector(k))]),
    ...alongRow(
      [0, 1].flatMap((half) => [
        ...[...besideRow, ...at(0, 16 * half), ...set(13)],
        ...FOUR.flatMap((k) => [
          ...[...get(vector(k)), ...get(13)],
          ...[...get(row(k)), ...get(I), PLUS, ...two(8 * half), ...MUL, ...ADD, ...set(vector(k))],
        ]),
      ]),
    ),
    ...FOUR.flatMap((k) => [...get(OUT), ...lane(k, 0), ...lane(k, 1), 0xa0, 0x39, 3, ...leb(8 * k)]),
  ]),
]);

const part = (k: number, i: number): number[] => [...get(vector(k)), ...simd(31), i];
const roughly = func(locals, [
  ...overRows([
    ...FOUR.flatMap((k) => [...zero, ...set(vector(k))]),
    ...alongRow([
      ...[...get(X), ...get(I), PLUS, ...at(0, 0), ...set(13)],
      ...FOUR.flatMap((k) => [
        ...[...get(vector(k)), ...get(13), ...get(row(k)), ...get(I), PLUS, ...at(0, 0)],
        ...[...simd(230), ...simd(228), ...set(vector(k))],
      ]),
    ]),
    ...FOUR.flatMap((k) => [
      ...[...get(OUT), ...part(k, 0), ...part(k, 1), 0x92, ...part(k, 2), ...part(k, 3), 0x92, 0x92, 0xbb],
      ...[0x39, 3, ...leb(8 * k)],
    ]),
  ]),
]);

const scaled = (k: number, half: number): number[] => [
  ...[...get(vector(k)), ...get(row(k)), ...get(I), PLUS, ...two(8 * half), ...MUL],
];
const addRows = func(locals, [
  ...overRows([
    ...FOUR.flatMap((k) => [...get(OUT), ...at(10, 8 * k), ...set(vector(k))]),
    ...alongRow(
      [0, 1].flatMap((half) => [
        ...[...besideRow, ...besideRow, ...at(0, 16 * half)],
        ...[...scaled(0, half), ...scaled(1, half), ...ADD, ...scaled(2, half), ...scaled(3, half), ...ADD, ...ADD],
        ...[...ADD, ...at(11, 16 * half)],
      ]),
    ),
  ]),
]);

const newKernel = wasmModule<Kernel>(
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, 5, I32, I32, I32, I32, I32, 0]]),
    ...section(3, [[0], [0], [0]]),
    ...section(5, [[0, ...sleb(1)]]),
    ...section(7, [
      [...text('memory'), 2, 0],
      [...text('products'), 0, 0],
      [...text('addRows'), 0, 1],
      [...text('roughly'), 0, 2],
    ]),
    ...section(10, [products, addRows, roughly]),
  ]),
);

const PAGE = 65_536;

/** Rows in the memory of a kernel. What they were copied from may change afterwards. */
export class RowMatrix {
  private readonly kernel = newKernel();
  private count = 0;
  private width = 0;
  private vector = new Float64Array(0);
  private column = new Float64Array(0);

  /**
   * Takes the place of what was there.
   *
   * @param parts  float32 [count, D] each, one after the other
   */
  load(parts: readonly Float32Array[], D: number): void {
    const count = parts.reduce((sum, { length }) => sum + length / D, 0);
    const [width, padded] = [4 * Math.ceil(D / 4), 4 * Math.ceil(count / 4)];
    const bytes = 8 * width + 8 * padded + 4 * width * padded;
    const { memory } = this.kernel;
    const more = bytes - memory.buffer.byteLength;
    if (more > 0) memory.grow(Math.ceil(more / PAGE));
    [this.count, this.width] = [count, width];
    this.vector = new Float64Array(memory.buffer, 0, width).fill(0);
    this.column = new Float64Array(memory.buffer, 8 * width, padded).fill(0);
    const all = new Float32Array(memory.buffer, this.rowsAt, width * padded);
    if (width !== D) all.fill(0);
    let at = 0;
    for (const rows of parts) {
      if (width === D) all.set(rows, at * D);
      else for (let q = 0; q < rows.length / D; q++) all.set(rows.subarray(q * D, (q + 1) * D), (at + q) * width);
      at += rows.length / D;
    }
    all.fill(0, count * width);
  }

  /**
   * out[q] = x · row q.
   *
   * @param x    float64, D numbers
   * @param out  float64 [count]
   */
  products(x: Float64Array, out: Float64Array): void {
    if (!this.count) return;
    this.vector.set(x);
    this.kernel.products(0, this.rowsAt, this.columnAt, this.rowsAt, 4 * this.width);
    out.set(this.column.subarray(0, this.count));
  }

  /**
   * The same with sums of float32, where a rounding of 10⁻⁶ of the lengths does not matter.
   *
   * @param x    float32, D numbers
   * @param out  float64 [count]
   */
  productsRoughly(x: Float32Array, out: Float64Array): void {
    if (!this.count) return;
    const vector = new Float32Array(this.vector.buffer, 0, this.width);
    vector.set(x);
    vector.fill(0, x.length);
    this.kernel.roughly(0, this.rowsAt, this.columnAt, this.rowsAt, 4 * this.width);
    this.vector.fill(0);
    out.set(this.column.subarray(0, this.count));
  }

  /**
   * y += Σ_q weights[q] · row q.
   *
   * @param y        float64, D numbers
   * @param weights  float64 [count]
   */
  addRows(y: Float64Array, weights: Float64Array): void {
    if (!this.count) return;
    this.vector.set(y);
    this.column.set(weights);
    this.column.fill(0, this.count);
    this.kernel.addRows(0, this.rowsAt, this.columnAt, this.rowsAt, 4 * this.width);
    y.set(this.vector.subarray(0, y.length));
  }

  private get columnAt(): number {
    return 8 * this.width;
  }

  /** Behind the column, which ends there. */
  private get rowsAt(): number {
    return 8 * this.width + 8 * this.column.length;
  }
}

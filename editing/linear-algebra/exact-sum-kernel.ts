/**
 * @file The inner loop of exact sums in WebAssembly SIMD, one row of a matrix at a time: of every term a coarse and a fine
 * part, as `exact-sum.ts` has them. Added to 1.5 · 2^52 · q, a part is the whole number of q's that it stands for in the
 * bits of the result, and the bits are summed as integers: an addition less for each part, and the sum is as exact.
 *
 *     addRow(coarse, end of coarse, fine, offset in a row of right, terms, end of terms)
 *
 * A term is a float64 factor and where its row of `right` begins, 16 bytes apart.
 */
import { at, func, get, I32, section, set, simd, sleb, tee, text, V128, wasmModule } from '../../models/wasm-module.ts';

/** Terms that are added at a time: parts of so many stay far below 2^51 q. */
export const MOST_TERMS = 128;

/** 1.5 · 2^52 times what a coarse part is a multiple of, and a fine one. */
export const COARSE = 1.5 * 2 ** (52 - 18);
export const FINE = 1.5 * 2 ** (52 - 52);

interface Kernel {
  addRow(coarse: number, end: number, fine: number, offset: number, terms: number, stop: number): void;
}

const I64 = 0x7e;
/** Columns that are summed in registers, in pairs. */
const PAIRS = [0, 1, 2];
const BLOCK = 2 * PAIRS.length;

const [LOAD, SPLAT, STORE] = [0, 10, 11];
const [ADD, SUB, MUL, ADD_INTEGERS] = [240, 241, 242, 206].map(simd);
const PLUS = 0x6a;
const float = (x: number): number[] => [0x44, ...new Uint8Array(Float64Array.of(x).buffer)];

/** Parameters 0–5, then the term that is read, its place in `right`, and 1 − their number. */
const [C, END, F, OFFSET, TERMS, STOP, P, R, COUNT] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
/** The two constants, the bits that sums of their multiples begin with, a factor, a product, its coarse part. */
const [BIG, SMALL, BIG_BITS, SMALL_BITS, FACTOR, TERM, PART] = [9, 10, 11, 12, 13, 14, 15];
const coarse = (pair: number): number => 16 + pair;
const fine = (pair: number): number => 16 + PAIRS.length + pair;

/** So that adding the bits of all terms leaves those of the constant and of the sum. */
const begin = (constant: number, into: number, bits: number): number[] => [
  ...[...float(constant), ...simd(20), ...set(into)],
  ...[...get(COUNT), ...float(constant), 0xbd, 0x7e, ...simd(18), ...set(bits)],
];

/** The sum that stands in the bits is added to the one in memory. */
const end = (row: number, pair: number, bits: number, constant: number): number[] => [
  ...[...get(row), ...get(row), ...at(LOAD, 16 * pair), ...get(bits), ...get(constant), ...SUB, ...ADD],
  ...at(STORE, 16 * pair),
];

const addRow = func(
  [
    [2, I32],
    [1, I64],
    [7 + 2 * PAIRS.length, V128],
  ],
  [
    ...[0x42, 1, ...get(STOP), ...get(TERMS), 0x6b, 0x41, 4, 0x76, 0xad, 0x7d, ...set(COUNT)],
    ...[...begin(COARSE, BIG, BIG_BITS), ...begin(FINE, SMALL, SMALL_BITS)],
    ...[0x03, 0x40],
    ...PAIRS.flatMap((pair) => [...get(BIG_BITS), ...set(coarse(pair)), ...get(SMALL_BITS), ...set(fine(pair))]),
    ...[...get(TERMS), ...set(P)],
    ...[0x03, 0x40],
    ...[...get(P), ...at(SPLAT, 0), ...set(FACTOR)],
    ...[...get(P), 0x28, 2, 8, ...get(OFFSET), PLUS, ...set(R)],
    ...PAIRS.flatMap((pair) => [
      ...[...get(FACTOR), ...get(R), ...at(LOAD, 16 * pair), ...MUL, ...tee(TERM), ...get(BIG), ...ADD, ...tee(PART)],
      ...[...get(coarse(pair)), ...ADD_INTEGERS, ...set(coarse(pair))],
      ...[...get(TERM), ...get(PART), ...get(BIG), ...SUB, ...SUB, ...get(SMALL), ...ADD],
      ...[...get(fine(pair)), ...ADD_INTEGERS, ...set(fine(pair))],
    ]),
    ...[...get(P), 0x41, 16, PLUS, ...tee(P), ...get(STOP), 0x49, 0x0d, 0, 0x0b],
    ...PAIRS.flatMap((pair) => [...end(C, pair, coarse(pair), BIG), ...end(F, pair, fine(pair), SMALL)]),
    ...[F, OFFSET].flatMap((local) => [...get(local), 0x41, 8 * BLOCK, PLUS, ...set(local)]),
    ...[...get(C), 0x41, 8 * BLOCK, PLUS, ...tee(C), ...get(END), 0x49, 0x0d, 0, 0x0b],
  ],
);

const kernel = wasmModule<Kernel>(
  Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [[0x60, 6, I32, I32, I32, I32, I32, I32, 0]]),
    ...section(3, [[0]]),
    ...section(5, [[0, ...sleb(1)]]),
    ...section(7, [
      [...text('memory'), 2, 0],
      [...text('addRow'), 0, 0],
    ]),
    ...section(10, [addRow]),
  ]),
)();

const PAGE = 65_536;

/** Rows of `right`, one row of each sum, and the terms, in the memory of the kernel; columns behind the last one are 0. */
export class TermRows {
  private readonly columns: number;
  private readonly width: number;
  private readonly right: Float64Array;
  private readonly coarse: Float64Array;
  private readonly fine: Float64Array;
  private readonly factors: Float64Array;
  private readonly places: Int32Array;
  private count = 0;

  /**
   * Takes the place of any other: there is one memory.
   *
   * @param right  float32 [n, columns], of which `count` rows from `from` on are taken, at most `MOST_TERMS`
   */
  constructor(right: Float32Array, columns: number, from: number, count: number) {
    const width = columns + BLOCK;
    const rows = width * (count + 2);
    const bytes = 8 * rows + 16 * count;
    const { memory } = kernel;
    const more = bytes - memory.buffer.byteLength;
    if (more > 0) memory.grow(Math.ceil(more / PAGE));
    const { buffer } = memory;
    [this.columns, this.width] = [columns, width];
    this.coarse = new Float64Array(buffer, 0, width);
    this.fine = new Float64Array(buffer, 8 * width, width);
    this.right = new Float64Array(buffer, 16 * width, width * count).fill(0);
    for (let t = 0; t < count; t++)
      this.right.set(right.subarray((from + t) * columns, (from + t + 1) * columns), t * width);
    this.factors = new Float64Array(buffer, 8 * rows, 2 * count);
    this.places = new Int32Array(buffer, 8 * rows, 4 * count);
  }

  /** Before the terms of another row of the sums. */
  clear(): void {
    this.count = 0;
  }

  /** A factor of row t of `right`. */
  push(t: number, factor: number): void {
    this.factors[2 * this.count] = factor;
    this.places[4 * this.count + 2] = this.right.byteOffset + 8 * t * this.width;
    this.count++;
  }

  /** Adds what was pushed to a row of both sums, that begins at `at`, from column `start` on. */
  addTo(coarse: Float64Array, fine: Float64Array, at: number, start: number): void {
    if (!this.count) return;
    const { columns } = this;
    const [first, last] = [at + start, at + columns];
    this.coarse.set(coarse.subarray(first, last), start);
    this.fine.set(fine.subarray(first, last), start);
    const terms = this.factors.byteOffset;
    const c = 8 * start;
    kernel.addRow(c, 8 * columns, this.fine.byteOffset + c, c, terms, terms + 16 * this.count);
    coarse.set(this.coarse.subarray(start, columns), first);
    fine.set(this.fine.subarray(start, columns), first);
  }
}

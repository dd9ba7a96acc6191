import { kernel, STRIP } from './triangle-kernel.ts';

const PAGE = 65_536;
/** Strips of a right-hand side that are solved together stay in the second-level cache. */
const GROUP_BYTES = 1 << 18;

/**
 * An upper triangular matrix U in the memory of the kernel, in strips of four columns. Rows and columns that are missing of
 * the last strip are those of the identity.
 */
export class Triangle {
  private readonly size: number;
  private readonly padded: number;
  /** Strips of a group. */
  private readonly most: number;
  private readonly u: Float64Array;
  private readonly group: Float64Array;

  /**
   * Takes the place of any other: there is one memory.
   *
   * @param upper  float64 [size, size], of which the upper triangle is read
   */
  constructor(upper: Float64Array, size: number) {
    const padded = STRIP * Math.ceil(size / STRIP);
    const most = Math.max(STRIP, Math.floor(GROUP_BYTES / (8 * STRIP * Math.max(1, padded))));
    const more = 8 * padded * (padded + STRIP * most) - kernel.memory.buffer.byteLength;
    if (more > 0) kernel.memory.grow(Math.ceil(more / PAGE));
    const { buffer } = kernel.memory;
    [this.size, this.padded, this.most] = [size, padded, most];
    this.u = new Float64Array(buffer, 0, padded * padded);
    this.group = new Float64Array(buffer, this.u.byteLength, STRIP * padded * most);
    for (let j = 0; j < padded; j += STRIP) toStrip(this.u, j * padded, upper, size, j, Math.min(size, j + STRIP));
    for (let i = size; i < padded; i++) {
      for (let c = padded - STRIP; c < padded; c++) this.u[this.place(i, c)] = +(c === i); // not what an earlier matrix left
    }
  }

  /** @param upper  float64 [size, size], whose upper triangle is written */
  write(upper: Float64Array): void {
    const { size, padded, u } = this;
    for (let j = 0; j < size; j += STRIP) fromStrip(u, j * padded, upper, size, j, Math.min(size, j + STRIP));
  }

  /**
   * What was the upper triangle of A becomes U with A = UᵀU.
   *
   * @returns the first row whose pivot, which stands on the diagonal, is not above `least`; −1 where there is none
   */
  factorize(least: number): number {
    const { size, padded, most } = this;
    for (let first = 0; first < size; first += STRIP * most) {
      const end = Math.min(padded, first + STRIP * most);
      for (let i = 0; i < first; i += STRIP) this.run('lower', i, this.strip(first), this.strip(end));
      for (let j = first; j < end; j += STRIP) {
        for (let i = first; i < j; i += STRIP) this.run('lower', i, this.strip(j), this.strip(j + STRIP));
        this.run('subtract', j, this.strip(j), this.strip(j + STRIP));
        const failed = this.eliminate(j, Math.min(size, j + STRIP), least);
        if (failed >= 0) return failed;
      }
    }
    return -1;
  }

  pivot(row: number): number {
    return this.u[this.place(row, row)];
  }

  /**
   * U⁻ᵀB, U⁻¹B, or one after the other, in place.
   *
   * @param b  float64 [size, columns]
   */
  solve(b: Float64Array, columns: number, parts: readonly ('lower' | 'upper')[]): void {
    const { size, padded, group } = this;
    for (let from = 0; from < columns; from += STRIP * this.most) {
      const to = Math.min(columns, from + STRIP * this.most);
      const strips = Math.ceil((to - from) / STRIP);
      const eachStrip = (move: typeof toStrip): void => {
        for (let s = 0; s < strips; s++) {
          const column = from + STRIP * s;
          move(group, STRIP * padded * s, b, columns, column, Math.min(to, column + STRIP), size);
        }
      };
      eachStrip(toStrip);
      for (let s = 0; s < strips; s++) group.fill(0, STRIP * (padded * s + size), STRIP * padded * (s + 1));
      const end = group.byteOffset + 8 * STRIP * padded * strips;
      for (const part of parts) {
        if (part === 'lower') for (let i = 0; i < padded; i += STRIP) this.run(part, i, group.byteOffset, end);
        else for (let i = padded - STRIP; i >= 0; i -= STRIP) this.runUpper(i, group.byteOffset, end);
      }
      eachStrip(fromStrip);
    }
  }

  private run(part: 'lower' | 'subtract', i: number, from: number, end: number): void {
    const u = this.strip(i);
    kernel[part](u, u + 8 * STRIP * i, from, end, 8 * STRIP * this.padded);
  }

  private runUpper(i: number, from: number, end: number): void {
    const row = 8 * STRIP * i;
    kernel.upper(this.strip(i) + row, this.strip(this.padded) + row, from, end, 8 * STRIP * this.padded, row);
  }

  /** The diagonal block from row j on, from which the rows above were taken away. */
  private eliminate(j: number, end: number, least: number): number {
    const { u } = this;
    for (let i = j; i < end; i++) {
      for (let k = j; k < i; k++)
        for (let c = i; c < end; c++) u[this.place(i, c)] -= u[this.place(k, i)] * u[this.place(k, c)];
      const at = this.place(i, i);
      if (!(u[at] > least)) return i;
      u[at] = Math.sqrt(u[at]);
      for (let c = i + 1; c < end; c++) u[this.place(i, c)] /= u[at];
    }
    return -1;
  }

  /** Where the strip of a column begins, in bytes. */
  private strip(column: number): number {
    return 8 * column * this.padded;
  }

  private place(row: number, column: number): number {
    return (column - (column % STRIP)) * this.padded + STRIP * row + (column % STRIP);
  }
}

/** Columns `first` to `end` of a row-major matrix; those that are missing of a strip are 0. */
function toStrip(
  strips: Float64Array,
  at: number,
  data: Float64Array,
  columns: number,
  first: number,
  end: number,
  rows = end,
): void {
  for (let i = 0, to = at, from = first; i < rows; i++, to += STRIP, from += columns)
    for (let q = 0; q < STRIP; q++) strips[to + q] = first + q < end ? data[from + q] : 0;
}

function fromStrip(
  strips: Float64Array,
  at: number,
  data: Float64Array,
  columns: number,
  first: number,
  end: number,
  rows = end,
): void {
  for (let i = 0, from = at, to = first; i < rows; i++, from += STRIP, to += columns)
    for (let q = 0; q < end - first; q++) data[to + q] = strips[from + q];
}

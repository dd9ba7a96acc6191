/**
 * A small seeded generator (sfc32, Chris Doty-Humphrey's PractRand) whose state can be saved and restored,
 * so that a training run that was killed goes on with the very numbers it would have drawn.
 */
export interface Rng {
  /** Uniform in [0, 1), 32 bits of it. */
  next(): number;
  /** Uniform integer in [0, n), n from 1 to 2^32. */
  int(n: number): number;
  /** Four unsigned 32-bit integers; `restoreRng` takes them back. */
  state(): number[];
}

/** The state of a generator is not four unsigned 32-bit integers. */
export class InvalidRngStateError extends Error {
  override readonly name = 'InvalidRngStateError';
  constructor(actual: unknown) {
    super(`random state: expected four unsigned 32-bit integers, got ${JSON.stringify(actual)}`);
  }
}

/** A generator for a seed; any finite number will do, equal seeds give equal sequences. */
export function createRng(seed: number): Rng {
  // The seed's 64 bits as a double, so that 1, 1.5 and 2^40 + 1 all differ.
  const bits = new Uint32Array(new Float64Array([seed]).buffer);
  const rng = fromState(bits[0], bits[1], 0x9e3779b9, 1);
  for (let i = 0; i < 15; i++) rng.next(); // sfc32 wants some rounds to mix a seed of few bits
  return rng;
}

/** @throws InvalidRngStateError */
export function restoreRng(state: readonly number[]): Rng {
  const valid = state.length === 4 && state.every((word) => word === word >>> 0);
  if (!valid) throw new InvalidRngStateError(state);
  return fromState(state[0], state[1], state[2], state[3]);
}

/** Fisher–Yates, in place. */
export function shuffle<T extends { length: number; [index: number]: unknown }>(items: T, rng: Rng): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    const held = items[i];
    items[i] = items[j];
    items[j] = held;
  }
  return items;
}

function fromState(a: number, b: number, c: number, counter: number): Rng {
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  return {
    next,
    int: (n) => Math.floor(next() * n),
    state: () => [a >>> 0, b >>> 0, c >>> 0, counter >>> 0],
  };
}

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng, InvalidRngStateError, restoreRng, shuffle } from '../../corpus/random.ts';

describe('random numbers', () => {
  it('repeat for a seed and differ between seeds', () => {
    const draw = (seed: number): number[] => {
      const rng = createRng(seed);
      return Array.from({ length: 5 }, () => rng.next());
    };
    assert.deepEqual(draw(7), draw(7));
    const firsts = [0, 1, 2, -1, 1.5, 2 ** 40, 2 ** 40 + 1].map((seed) => draw(seed)[0]);
    assert.equal(new Set(firsts).size, firsts.length);
  });

  it('are those of sfc32', () => {
    // The step written out with 64-bit arithmetic, independent of the 32-bit tricks of the implementation.
    const mask = 0xffffffffn;
    let [a, b, c, counter] = [1n, 2n, 3n, 4n];
    const rng = restoreRng([1, 2, 3, 4]);
    for (let i = 0; i < 100; i++) {
      const sum = (a + b + counter) & mask;
      counter = (counter + 1n) & mask;
      a = b ^ (b >> 9n);
      b = (c + (c << 3n)) & mask;
      c = ((((c << 21n) | (c >> 11n)) & mask) + sum) & mask;
      assert.equal(rng.next(), Number(sum) / 2 ** 32);
    }
  });

  it('go on from a saved state as if nothing had happened', () => {
    const rng = createRng(3);
    for (let i = 0; i < 1000; i++) rng.next();
    const restored = restoreRng(JSON.parse(JSON.stringify(rng.state())) as number[]);
    for (let i = 0; i < 100; i++) assert.equal(restored.next(), rng.next());
  });

  it('fill their range evenly', () => {
    const rng = createRng(1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[rng.int(10)]++;
    // 10,000 expected in each, standard deviation 95: five of them either way.
    assert.ok(
      counts.every((count) => Math.abs(count - 10_000) < 475),
      String(counts),
    );
  });

  it('shuffle without losing anything', () => {
    const shuffled = shuffle(
      Int32Array.from({ length: 1000 }, (_, i) => i),
      createRng(5),
    );
    assert.notDeepEqual([...shuffled], [...shuffled].sort((a, b) => a - b)); // prettier-ignore
    assert.equal(new Set(shuffled).size, 1000);
  });

  it('refuse a state that is none', () => {
    for (const state of [[], [1, 2, 3], [1, 2, 3, -1], [1, 2, 3, 0.5], [1, 2, 3, 2 ** 32]])
      assert.throws(() => restoreRng(state), InvalidRngStateError);
  });
});

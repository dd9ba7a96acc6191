import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { TrainedPaths } from '../../../../models/training/paths/trained-paths.ts';

// Words 0 to 9, codes 10 to 12. Places: codes first (0 to 2), then words 4 and 7 (3 and 4).
const paths = new TrainedPaths(
  [[10, 7], [10, 4], [11, 7, 4], [12]].map((path) => Int32Array.from(path)),
  10,
  3,
);

describe('the paths of a model in training', () => {
  it('number all codes, and behind them the words that paths are made of', () => {
    assert.deepEqual([paths.tokens, paths.depth, [...paths.wordIds]], [5, 3, [4, 7]]);
    assert.deepEqual([10, 11, 12, 4, 7].map((id) => paths.place(id)), [0, 1, 2, 3, 4]); // prettier-ignore
  });

  it('know what may follow', () => {
    assert.deepEqual([...paths.following(0, 0)].sort(), [0, 1, 2]);
    assert.deepEqual([...paths.following(1, 1)].sort(), [3, 4]);
    assert.deepEqual([...paths.following(2, 2)], [3]);
  });

  it('share a target among the documents that begin as the right one does', () => {
    const shares = [0.5, 0.1, 0.3, 0.1];
    const steps = paths.targets({ rows: [0, 1, 2, 3], shares });
    const close = (step: ReadonlyMap<number, number>, wanted: readonly (readonly [number, number])[]): void => {
      assert.deepEqual(
        [...step.keys()],
        wanted.map(([place]) => place),
      );
      for (const [place, share] of wanted) assert.ok(Math.abs(step.get(place)! - share) < 1e-12);
    };
    assert.equal(steps.length, 2);
    close(steps[0], [[0, 0.6], [1, 0.3], [2, 0.1]]); // prettier-ignore
    close(steps[1], [[4, 0.5 / 0.6], [3, 0.1 / 0.6]]); // prettier-ignore
  });
});

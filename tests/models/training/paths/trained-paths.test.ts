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
    const shared = new TrainedPaths(
      [
        [10, 7, 4],
        [10, 4, 7],
        [11, 7, 4],
        [11, 4, 7],
      ].map((path) => Int32Array.from(path)),
      10,
      3,
    );
    const steps = shared.targets({ rows: [0, 1, 2, 3], shares: [0.5, 0.1, 0.3, 0.1] });
    close(steps, [[[0, 0.6], [1, 0.4]], [[4, 0.5 / 0.6], [3, 0.1 / 0.6]], [[3, 1]]]); // prettier-ignore
  });

  it("share a document's own token among all documents that have one", () => {
    const own = new TrainedPaths(
      [
        [10, 7],
        [10, 4],
        [11, 8],
        [11, 9],
      ].map((path) => Int32Array.from(path)),
      10,
      3,
    );
    assert.deepEqual([own.isOwn(0, 0), own.isOwn(0, 1)], [false, true]);
    // Words 4, 7, 8, 9 stand at places 3 to 6.
    const steps = own.targets({ rows: [0, 1, 2, 3], shares: [0.5, 0.1, 0.3, 0.1] });
    close(steps, [[[0, 0.6], [1, 0.4]], [[4, 0.5], [3, 0.1], [5, 0.3], [6, 0.1]]]); // prettier-ignore
  });
});

function close(
  steps: readonly ReadonlyMap<number, number>[],
  wanted: readonly (readonly (readonly [number, number])[])[],
) {
  assert.deepEqual(
    steps.map((step) => [...step].map(([place, share]) => [place, Number(share.toFixed(9))])),
    wanted.map((step) => step.map(([place, share]) => [place, Number(share.toFixed(9))])),
  );
}

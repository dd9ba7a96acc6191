import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fuse, type Scored } from '../../server/fusion.ts';

const list = (scores: Record<string, number>): Scored[] =>
  Object.entries(scores).map(([docid, score]) => ({ docid, score }));
const docids = (scored: readonly Scored[]): string[] => scored.map(({ docid }) => docid);

describe('fuse', () => {
  const genir = list({ a: -0.5, b: -1.2, c: -4 });
  const bm25 = list({ b: 12, d: 9, a: 3 });

  it('puts what both lists like above what one of them likes', () => {
    assert.deepEqual(docids(fuse(genir, bm25, 10)), ['b', 'a', 'd', 'c']);
  });

  it('keeps the order of the only list there is', () => {
    assert.deepEqual(docids(fuse(genir, [], 10)), ['a', 'b', 'c']);
    assert.deepEqual(docids(fuse([], bm25, 10)), ['b', 'd', 'a']);
    assert.deepEqual(fuse([], [], 10), []);
  });

  it('cuts after the scores are made', () => {
    assert.deepEqual(fuse(genir, bm25, 2), fuse(genir, bm25, 10).slice(0, 2));
  });

  it('orders equal sums by docid', () => {
    assert.deepEqual(docids(fuse(list({ z: -1, y: -1 }), [], 10)), ['y', 'z']);
  });

  it('gives log-probabilities over the union, whatever comes', () => {
    const docid = fc.constantFrom(...'abcdefgh');
    const scored = (score: fc.Arbitrary<number>) => fc.dictionary(docid, score).map(list);
    const logProbability = fc.double({ min: -50, max: 0, noNaN: true });
    const words = fc.double({ min: 0, max: 80, noNaN: true });
    fc.assert(
      fc.property(scored(logProbability), scored(words), (generated, matched) => {
        const fused = fuse(generated, matched, 100);
        assert.deepEqual(new Set(docids(fused)), new Set(docids([...generated, ...matched])));
        if (fused.length === 0) return;
        const sum = fused.reduce((total, { score }) => total + Math.exp(score), 0);
        assert.ok(Math.abs(sum - 1) < 1e-9);
        assert.ok(fused.every(({ score }, i) => i === 0 || score <= fused[i - 1].score));
      }),
    );
  });
});

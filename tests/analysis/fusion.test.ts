import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fuse, fuseRuns } from '../../analysis/fusion.ts';

const list = (scores: Record<string, number>) => Object.entries(scores).map(([docid, score]) => ({ docid, score }));
const docids = (fused: readonly { docid: string }[]): string[] => fused.map(({ docid }) => docid);
const weights = { genir: 1, bm25: 0.5 };

describe('fusing two lists', () => {
  it('sums weighted scores over the union; a missing one is the floor of its list', () => {
    const genir = list({ a: -1, b: -2 });
    const bm25 = list({ b: 6, c: 4 });
    // a −1 + .5·0 = −1;  b −2 + .5·6 = 1;  c −2 (the lowest of genir) + .5·4 = 0
    const fused = fuse(genir, bm25, 3, weights);
    assert.deepEqual(docids(fused), ['b', 'c', 'a']);
    assert.ok(Math.abs(fused[0].score - fused[1].score - 1) < 1e-12);
    assert.ok(Math.abs(fused[1].score - fused[2].score - 1) < 1e-12);
  });

  it('gives log-probabilities over the union, however short the answer', () => {
    const all = fuse(list({ a: -1, b: -2 }), list({ b: 6, c: 4 }), 10, weights);
    assert.ok(Math.abs(all.reduce((sum, { score }) => sum + Math.exp(score), 0) - 1) < 1e-12);
    assert.deepEqual(fuse(list({ a: -1, b: -2 }), list({ b: 6, c: 4 }), 2, weights), all.slice(0, 2));
  });

  it('keeps the order of a list that stands alone', () => {
    assert.deepEqual(docids(fuse(list({ a: -3, b: -1, c: -2 }), [], 3)), ['b', 'c', 'a']);
    assert.deepEqual(docids(fuse([], list({ a: 1, b: 3, c: 2 }), 3)), ['b', 'c', 'a']);
    assert.deepEqual(fuse([], [], 3), []);
  });

  it('breaks ties in TREC order', () => {
    assert.deepEqual(docids(fuse(list({ a: -1, b: -1 }), [], 2)), ['b', 'a']);
  });

  it('can find what neither list has first', () => {
    assert.equal(fuse(list({ x: -1, m: -1.1, z: -4 }), list({ y: 9, m: 8, z: 1 }), 1, weights)[0].docid, 'm');
  });

  it('takes runs query by query', () => {
    const genir = new Map([
      ['q1', list({ a: -1 })],
      ['q2', list({ b: -1 })],
    ]);
    const bm25 = new Map([
      ['q2', list({ c: 30 })],
      ['q3', list({ d: 1 })],
    ]);
    const fused = fuseRuns(genir, bm25, 1);
    assert.deepEqual(
      [...fused].map(([id, answered]) => [id, docids(answered)]),
      [
        ['q1', ['a']],
        ['q2', ['c']],
        ['q3', ['d']],
      ],
    );
  });
});

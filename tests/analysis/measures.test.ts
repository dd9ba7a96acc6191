import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { measureFamilies, parseMeasure, UnknownMeasureError } from '../../analysis/measures/table.ts';

const value = (measure: string, ranking: readonly string[], grades: Record<string, number>): number =>
  parseMeasure(measure).value(ranking, new Map(Object.entries(grades)));

const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-6, `expected ${expected}, got ${actual}`);

describe('the names of measures', () => {
  it('are read as ir_measures prints them', () => {
    for (const name of ['Success@1', 'Success@10', 'RR', 'RR@10', 'nDCG', 'nDCG@10', 'R@100'])
      assert.equal(parseMeasure(name).name, name);
  });

  it('are refused in other spellings, with the right ones in the message', () => {
    for (const name of ['', 'Success', 'R', 'ndcg@10', 'MRR@10', 'RR@0', 'RR@', 'RR@-1', 'RR@1.5', 'toString', ' RR'])
      assert.throws(() => parseMeasure(name), UnknownMeasureError, name);
    assert.throws(() => parseMeasure('hits@1'), {
      measure: 'hits@1',
      message: "measure: expected Success@k, RR or RR@k, nDCG or nDCG@k, R@k with k from 1, got 'hits@1'",
    });
  });

  it('each say what they mean', () => {
    for (const { meaning } of Object.values(measureFamilies)) assert.match(meaning, /\w/);
  });
});

describe('Success@k', () => {
  it('is 1 when a relevant document is among the first k', () => {
    assert.equal(value('Success@1', ['a', 'b'], { a: 1 }), 1);
    assert.equal(value('Success@1', ['b', 'a'], { a: 1 }), 0);
    assert.equal(value('Success@2', ['b', 'a'], { a: 1 }), 1);
  });

  it('takes grades below 1 as not relevant', () => {
    assert.equal(value('Success@5', ['a', 'b'], { a: 0, b: -1 }), 0);
  });
});

describe('RR', () => {
  it('is 1 over the rank of the first relevant document', () => {
    close(value('RR', ['x', 'y', 'b', 'a'], { a: 3, b: 1 }), 1 / 3);
  });

  it('is 0 when the first relevant document stands below the cutoff', () => {
    assert.equal(value('RR@2', ['x', 'y', 'b'], { b: 1 }), 0);
    close(value('RR@3', ['x', 'y', 'b'], { b: 1 }), 1 / 3);
  });
});

describe('R@k', () => {
  it('is the share of the relevant documents that are found', () => {
    assert.equal(value('R@3', ['a', 'x', 'b', 'c'], { a: 1, b: 2, c: 1, d: 1, x: 0 }), 2 / 4);
    assert.equal(value('R@100', ['a', 'x', 'b', 'c'], { a: 1, b: 2, c: 1, d: 1, x: 0 }), 3 / 4);
  });

  it('is 0 where nothing is relevant', () => {
    assert.equal(value('R@10', ['a'], { a: 0 }), 0);
  });
});

describe('nDCG@k', () => {
  const grades = { a: 2, b: 1, c: 0, n: -1 };

  it('takes the grade itself as gain', () => {
    // found  c 0, d unjudged 0, b 1/log2(4) = .5, a 2/log2(5) = 2/2.3219281 = .8613531   sum 1.3613531
    // best   a 2/log2(2) = 2, b 1/log2(3) = 1/1.5849625 = .6309298                        sum 2.6309298
    close(value('nDCG@10', ['c', 'd', 'b', 'a'], grades), 1.3613531 / 2.6309298); // .5174418
    // With 2^grade − 1 as gain it would be (.5 + 3/2.3219281) / (3 + .6309298) = .4935565.
  });

  it('cuts the found and the best ranking at k', () => {
    close(value('nDCG@3', ['c', 'd', 'b', 'a'], grades), 0.5 / 2.6309298);
    // best of one document: 2/log2(2) = 2
    close(value('nDCG@1', ['b', 'a'], grades), 1 / 2);
  });

  it('gives nothing, and takes nothing, for grades below 0', () => {
    close(value('nDCG', ['n', 'a', 'b'], grades), (2 / 1.5849625 + 1 / 2) / 2.6309298);
  });

  it('is 1 for the best ranking and 0 where nothing is relevant', () => {
    assert.equal(value('nDCG@10', ['a', 'b', 'c'], grades), 1);
    assert.equal(value('nDCG@10', ['c'], { c: 0 }), 0);
  });
});

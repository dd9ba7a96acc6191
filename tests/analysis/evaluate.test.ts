import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { evaluateRun, NoJudgementsError } from '../../analysis/evaluate.ts';
import { parseMeasure } from '../../analysis/measures/table.ts';
import { toQrels, type Qrels } from '../../analysis/qrels.ts';
import { ranking, RepeatedDocidError, type Run } from '../../analysis/run.ts';
import { readQrelsFile, readRunFile } from '../../analysis/trec-files.ts';

const list = (scores: Record<string, number>) => Object.entries(scores).map(([docid, score]) => ({ docid, score }));
const runOf = (lists: Record<string, Record<string, number>>): Run =>
  new Map(Object.entries(lists).map(([id, scores]) => [id, list(scores)]));
const qrelsOf = (grades: Record<string, Record<string, number>>): Qrels =>
  new Map(Object.entries(grades).map(([id, judged]) => [id, new Map(Object.entries(judged))]));

describe('the TREC order', () => {
  it('is by score descending, wherever a document stands in the list', () => {
    assert.deepEqual(ranking(list({ a: 1, b: 3, c: 2 })), ['b', 'c', 'a']);
  });

  it('breaks ties by docid descending', () => {
    assert.deepEqual(ranking(list({ d1: 1, d3: 1, d10: 1, d2: 1 })), ['d3', 'd2', 'd10', 'd1']);
  });

  it('compares docids by their bytes, as strcmp does', () => {
    // UTF-16 code units would put U+FF21 above U+1F600, whose first unit is U+D83D; UTF-8 bytes say EF < F0.
    assert.deepEqual(ranking(list({ a: 1, é: 1, '\uFF21': 1, '\u{1F600}': 1, Z: 1 })), [
      '\u{1F600}',
      '\uFF21',
      'é',
      'a',
      'Z',
    ]);
  });

  it('takes infinite scores', () => {
    assert.deepEqual(ranking(list({ a: -Infinity, b: -Infinity, c: 0 })), ['c', 'b', 'a']);
  });

  it('refuses a document twice', () => {
    const twice = [...list({ a: 1, b: 2 }), { docid: 'a', score: 0 }];
    assert.throws(
      () => ranking(twice),
      (error) => error instanceof RepeatedDocidError && error.docid === 'a',
    );
  });
});

describe('evaluating a run', () => {
  // q1 ranks c, d, then b before a (a tie: docid descending); q2 is answered at once; q3 is not answered; nothing is
  // relevant to q4; q5 is not judged.
  const qrels = qrelsOf({ q1: { a: 2, b: 1, c: 0 }, q2: { x: 1 }, q3: { y: 1 }, q4: { z: 0 } });
  const run = runOf({ q1: { a: 1, b: 1, c: 3, d: 2 }, q2: { x: 5, y: 4 }, q4: { z: 1 }, q5: { x: 1 } });
  const measures = ['Success@1', 'Success@10', 'RR@10', 'nDCG@10', 'R@3'].map(parseMeasure);

  it('averages over the judged queries; an unanswered one counts 0, an unjudged one does not count', () => {
    const { queryIds, results } = evaluateRun(run, qrels, measures);
    assert.deepEqual(queryIds, ['q1', 'q2', 'q3', 'q4']);
    const expected: Record<string, number[]> = {
      'Success@1': [0, 1, 0, 0],
      'Success@10': [1, 1, 0, 0],
      'RR@10': [1 / 3, 1, 0, 0],
      // q1: found 1/log2(4) + 2/log2(5) = 1.3613531, best 2 + 1/log2(3) = 2.6309298
      'nDCG@10': [1.3613531 / 2.6309298, 1, 0, 0],
      'R@3': [1 / 2, 1, 0, 0],
    };
    for (const [name, values] of Object.entries(expected)) {
      const { mean, perQuery } = results.get(name)!;
      values.forEach((value, i) => assert.ok(Math.abs(perQuery[i] - value) < 1e-6, `${name} of ${queryIds[i]}`));
      assert.ok(Math.abs(mean - values.reduce((a, b) => a + b) / 4) < 1e-6, name);
    }
  });

  it('gives intervals around the means, the same ones for the same seed', () => {
    const first = evaluateRun(run, qrels, measures, { seed: 5 }).results.get('RR@10')!;
    assert.ok(first.interval.low <= first.mean && first.mean <= first.interval.high);
    assert.ok(first.interval.low < first.interval.high);
    assert.deepEqual(evaluateRun(run, qrels, measures, { seed: 5 }).results.get('RR@10')!.interval, first.interval);
  });

  it('gives 0 for a run without answers', () => {
    const { mean, interval } = evaluateRun(new Map(), qrels, measures).results.get('nDCG@10')!;
    assert.deepEqual({ mean, interval }, { mean: 0, interval: { low: 0, high: 0 } });
  });

  it('refuses to average over nothing', () => {
    assert.throws(() => evaluateRun(run, new Map(), measures), NoJudgementsError);
  });

  it('takes judgements as the store gives them', () => {
    const judgements = [
      { queryId: 'q2', docid: 'x', score: 1 },
      { queryId: 'q1', docid: 'a', score: 2 },
      { queryId: 'q2', docid: 'y', score: 0 },
    ];
    assert.deepEqual(toQrels(judgements), qrelsOf({ q2: { x: 1, y: 0 }, q1: { a: 2 } }));
  });
});

// Random run and graded judgements with ties, unanswered and unjudged queries, grades below 0; values printed by
// trec_eval 10.0-rc3 with -c -q (RR@k: -M k -m recip_rank), to four places.
describe('trec_eval', () => {
  const file = (name: string): string => join(import.meta.dirname, 'fixtures', `trec-eval.${name}`);
  const printed = JSON.parse(readFileSync(file('json'), 'utf8')) as Record<string, Record<string, number>>;
  const { queryIds, results } = evaluateRun(
    readRunFile(file('run')),
    readQrelsFile(file('qrels')),
    Object.keys(printed).map(parseMeasure),
  );

  for (const [name, { all, ...values }] of Object.entries(printed))
    it(`gives the same ${name} for every query and on average`, () => {
      assert.deepEqual([...queryIds].sort(), Object.keys(values).sort());
      const { mean, perQuery } = results.get(name)!;
      queryIds.forEach((id, i) => assert.ok(Math.abs(perQuery[i] - values[id]) < 5.1e-5, `${id}: ${perQuery[i]}`));
      assert.ok(Math.abs(mean - all) < 5.1e-5, `mean ${mean}, trec_eval ${all}`);
    });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawAnswers, holdOutDev } from '../../corpus/hold-out.ts';

const queries = Array.from({ length: 1000 }, (_, i) => ({ id: `q${i}`, text: `what is number ${i}?` }));

describe('holding out a dev split', () => {
  it('takes the share asked for and leaves the rest, in order', () => {
    const { train, dev } = holdOutDev(queries, 0.1, 7);
    assert.deepEqual([train.length, dev.length], [900, 100]);
    const place = new Map(queries.map(({ id }, i) => [id, i]));
    for (const part of [train, dev])
      assert.deepEqual(
        part,
        [...part].sort((a, b) => place.get(a.id)! - place.get(b.id)!),
      );
    assert.equal(new Set([...train, ...dev]).size, 1000);
  });

  it('depends on the seed and not on the order of the queries', () => {
    const ids = (list: readonly { id: string; text: string }[], seed: number): string[] =>
      holdOutDev(list, 0.1, seed).dev.map(({ id }) => id).sort(); // prettier-ignore
    assert.deepEqual(ids([...queries].reverse(), 7), ids(queries, 7));
    assert.notDeepEqual(ids(queries, 8), ids(queries, 7));
  });

  it('keeps queries with the same words on one side', () => {
    const twins = queries.flatMap(({ id, text }) => [
      { id, text },
      { id: `${id}b`, text: text.toUpperCase() },
    ]);
    const { train, dev } = holdOutDev(twins, 0.3, 1);
    const texts = new Set(train.map(({ text }) => text.toLowerCase()));
    assert.ok(dev.length === 600 && dev.every(({ text }) => !texts.has(text.toLowerCase())));
  });

  it('knows the ends of its range', () => {
    assert.equal(holdOutDev(queries, 0, 1).dev.length, 0);
    assert.equal(holdOutDev(queries, 1, 1).train.length, 0);
    assert.deepEqual(holdOutDev([], 0.5, 1), { train: [], dev: [] });
    for (const share of [-0.1, 1.1, NaN]) assert.throws(() => holdOutDev(queries, share, 1), RangeError);
  });
});

describe('drawing documents that queries ask for', () => {
  const judged = queries.map(({ id, text }, i) => ({ id, text, relevant: [`d${i % 100}`, `d${(i + 1) % 100}`] }));

  it('gives each docid once, in an order that depends on the seed and not on the order of the queries', () => {
    const order = drawAnswers(judged, 7);
    assert.deepEqual([...order].sort(), Array.from({ length: 100 }, (_, i) => `d${i}`).sort());
    assert.deepEqual(drawAnswers([...judged].reverse(), 7), order);
    assert.notDeepEqual(drawAnswers(judged, 8), order);
    const fewer = drawAnswers(judged.slice(0, 50), 7);
    assert.deepEqual(
      fewer,
      order.filter((docid) => fewer.includes(docid)),
      'a docid more or less leaves the others in their order',
    );
  });
});

/** The console's reading of `/metrics`, against what prom-client writes and values worked out by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gauge, Histogram, Registry } from 'prom-client';
import { between, bucketsOf, countOf, quantile, readScrape, sumOf } from '../../server/console/prometheus.ts';

describe('a scrape', () => {
  it('is read as it was written, labels with every sign included', async () => {
    const registry = new Registry();
    const gauge = new Gauge({
      name: 'things',
      help: 'Things\nof a kind',
      labelNames: ['a', 'b'],
      registers: [registry],
    });
    const sign = 'x="1", \\ y\n}';
    gauge.set({ a: sign, b: '' }, 1.5e-7);
    gauge.set({ a: 'n', b: 'm' }, Infinity);
    new Gauge({ name: 'bare', help: 'x', registers: [registry] }).set(-3);
    const scrape = readScrape(await registry.metrics());
    assert.deepEqual(scrape.get('things'), [
      { labels: { a: sign, b: '' }, value: 1.5e-7 },
      { labels: { a: 'n', b: 'm' }, value: Infinity },
    ]);
    assert.equal(sumOf(scrape, 'bare'), -3);
    assert.equal(sumOf(scrape, 'things', ({ a }) => a === sign), 1.5e-7); // prettier-ignore
    assert.equal(sumOf(scrape, 'none'), undefined);
  });

  it('has histograms, whose quantiles lie within the bucket of the true one', async () => {
    const registry = new Registry();
    const bounds = [0.1, 0.5, 1, 2];
    const histogram = new Histogram({
      name: 'h',
      help: 'x',
      labelNames: ['of'],
      buckets: bounds,
      registers: [registry],
    });
    const values = Array.from({ length: 200 }, (_, i) => ((i * 37) % 200) / 100);
    values.forEach((value, i) => histogram.observe({ of: i % 2 ? 'a' : 'b' }, value));
    const buckets = bucketsOf(readScrape(await registry.metrics()), 'h');
    assert.deepEqual(
      buckets,
      [...bounds, Infinity].map((most, i) => ({
        most,
        count: values.filter((value) => value <= most && value > (bounds[i - 1] ?? -1)).length,
      })),
    );
    assert.equal(countOf(buckets), 200);
    const sorted = [...values].sort((a, b) => a - b);
    for (const part of [0.01, 0.25, 0.5, 0.95, 0.99, 1]) {
      const found: number = quantile(buckets, part)!;
      const bucket = (x: number): number => bounds.findIndex((most) => x <= most);
      assert.equal(bucket(found), bucket(sorted[Math.ceil(part * 200) - 1]), `${part}`);
    }
    assert.equal(quantile(buckets, 0.5), 1 - 0.5 / 50 / 1); // 101 values up to 1, of which 50 above .5: the 100th of all
  });

  it('is one of a time between two', () => {
    const before = [{ most: 1, count: 5 }, { most: Infinity, count: 1 }]; // prettier-ignore
    const after = [{ most: 1, count: 9 }, { most: Infinity, count: 1 }]; // prettier-ignore
    assert.deepEqual(between(before, after).map(({ count }) => count), [4, 0]); // prettier-ignore
    assert.deepEqual(between(after, before), before); // started anew
    assert.equal(quantile([], 0.5), undefined);
    assert.equal(quantile([{ most: 1, count: 0 }], 0.5), undefined);
    assert.equal(quantile([{ most: 1, count: 0 }, { most: Infinity, count: 2 }], 0.5), 1); // prettier-ignore
  });
});

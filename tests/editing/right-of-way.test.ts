import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { giveWay, giveWayTo, searchBegins, searchEnds, searchesUnderWay } from '../../editing/right-of-way.ts';

/** Busy for so many milliseconds, which earn as long a pause. */
function work(ms: number): void {
  for (const from = performance.now(); performance.now() - from < ms;);
}
function paused(): number {
  const from = performance.now();
  giveWay();
  return performance.now() - from;
}

describe('the right of way', () => {
  it('is given to searches under way, and taken back after as long a pause as there was work', () => {
    giveWayTo(searchesUnderWay);
    searchBegins(); // and never ends: without a limit the test would not
    work(10);
    assert.ok(paused() >= 9);
    searchEnds();
  });
});

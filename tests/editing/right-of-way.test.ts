import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
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

  it('lowers the priority of the thread that gives it', { skip: process.platform !== 'linux' && 'Linux alone' }, () => {
    giveWayTo(searchesUnderWay);
    const fields = readFileSync('/proc/thread-self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    assert.equal(fields[19 - 3], '5'); // nice, proc_pid_stat(5)
  });
});

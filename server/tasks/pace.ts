import type { Report } from './task.ts';

/**
 * Tells the time left of some work from its reports: what is still to do goes as fast as what was done since the first
 * report of this stretch. Another total, or less done than before, begins a new stretch.
 */
export class Pace {
  private start: { done: number; total: number; ms: number } | undefined;
  private lastDone = 0;

  /** Whole seconds, rounded up; null until something was done in this stretch. `nowMs` is of any clock that never goes back. */
  secondsLeft({ done, total }: Report, nowMs: number): number | null {
    if (this.start?.total !== total || done < this.lastDone) this.start = { done, total, ms: nowMs };
    this.lastDone = done;
    const since = done - this.start.done;
    if (since === 0) return null;
    return Math.ceil((((nowMs - this.start.ms) / since) * (total - done)) / 1000);
  }
}

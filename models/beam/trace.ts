import type { Found, Searched } from './search.ts';

/** An unfinished path that a search goes on with. */
export interface TracedPrefix {
  readonly tokens: readonly number[];
  /** Its log-probability. */
  readonly score: number;
}

/** What a search has after a step, best first. */
export interface TracedStep {
  readonly prefixes: readonly TracedPrefix[];
  /** Documents found so far, those of earlier steps among them. */
  readonly found: readonly Found[];
}

/** Writes down the search of one query. */
export class Trace {
  readonly steps: TracedStep[] = [];
  private prefixes: readonly TracedPrefix[] = [{ tokens: [], score: 0 }];

  add({ prefixes, found }: Searched): void {
    this.prefixes = prefixes.map(({ parent, token, score }) => ({
      tokens: [...this.prefixes[parent].tokens, token],
      score,
    }));
    this.steps.push({ prefixes: this.prefixes, found });
  }
}

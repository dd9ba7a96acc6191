/** Beams of a query that asks for no number of its own, and for no more documents. */
export const DEFAULT_BEAMS = 10;
export const MAX_BEAMS = 1000;

/** A number of beams that no search can have. */
export class BeamsError extends RangeError {
  override readonly name = 'BeamsError';
  readonly beams: number;
  constructor(beams: number) {
    super(`beams: expected a whole number from 1 to ${MAX_BEAMS}, got ${beams}; leave it out for ${DEFAULT_BEAMS}`);
    this.beams = beams;
  }
}

/** The beams of a query that wants k documents: never fewer than those, as far as may be. @throws BeamsError */
export function beamsFor(k: number, beams = DEFAULT_BEAMS): number {
  if (!(Number.isInteger(beams) && beams >= 1 && beams <= MAX_BEAMS)) throw new BeamsError(beams);
  return Math.min(MAX_BEAMS, Math.max(k, beams));
}

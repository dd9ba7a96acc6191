import type { Measure, MeasureFamily } from './measure.ts';
import { ndcg } from './ndcg.ts';
import { recall } from './recall.ts';
import { rr } from './rr.ts';
import { success } from './success.ts';

/** The measures there are, spelled as ir_measures prints them. */
export type MeasureName = 'Success' | 'RR' | 'nDCG' | 'R';

export const measureFamilies: { readonly [M in MeasureName]: MeasureFamily } = {
  Success: success,
  RR: rr,
  nDCG: ndcg,
  R: recall,
};

/** A measure that is not spelled as one of ours. */
export class UnknownMeasureError extends Error {
  override readonly name = 'UnknownMeasureError';
  readonly measure: string;
  constructor(measure: string) {
    const known = Object.entries(measureFamilies).map(([name, { cutoff }]) =>
      cutoff === 'required' ? `${name}@k` : `${name} or ${name}@k`,
    );
    super(`measure: expected ${known.join(', ')} with k from 1, got '${measure}'`);
    this.measure = measure;
  }
}

/** Reads a name such as `Success@1`, `RR`, `nDCG@10`. @throws UnknownMeasureError */
export function parseMeasure(text: string): Measure {
  const [, name, digits] = /^([A-Za-z]+)(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (name === undefined || !Object.hasOwn(measureFamilies, name)) throw new UnknownMeasureError(text);
  const family = measureFamilies[name as MeasureName];
  if (digits === undefined && family.cutoff === 'required') throw new UnknownMeasureError(text);
  const cutoff = digits === undefined ? Infinity : Number(digits);
  return { name: text, value: (ranking, grades) => family.value(ranking, grades, cutoff) };
}

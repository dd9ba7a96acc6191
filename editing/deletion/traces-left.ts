/** @file Is the document still written down somewhere? */
import { finding, type AuditTest } from './finding.ts';

export const tracesLeft: AuditTest = {
  meaning: 'texts, queries and rows of the document in tables, indexes, the log of edits, and files byte by byte',
  run({ case: { traces } }) {
    const places = [...new Set(traces.flatMap((one) => one.traces.map(({ place }) => place)))];
    const findings = places.map((place) => {
      const count = traces.flatMap((one) => one.traces).reduce((sum, t) => sum + (t.place === place ? t.count : 0), 0);
      return finding(place, count, { most: 0 });
    });
    return Promise.resolve(findings);
  },
};

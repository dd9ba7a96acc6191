/** @file What stands in for the information that self-attention may carry: another path, or another query. */
import type { Rng } from '../corpus/random.ts';
import type { PathLab } from './path-lab.ts';
import type { Question } from './population.ts';

export interface PathDonors {
  /** [Q] the document whose path stands in for the query's own; −1 where there is none. */
  readonly paths: Int32Array;
  /** [Q] the query that stands in for it; −1 where there is none. */
  readonly queries: Int32Array;
}

/** Candidates looked at for one query; the first without a fault is taken. */
const TRIES = 400;
/** From one candidate to the next: neighbours are alike, documents of one cluster for instance. A prime. */
const STRIDE = 7919;

/**
 * Donors drawn for each query: of other documents one whose path is as long and has other tokens before its last (which
 * is never read), of other queries one about another document whose tokens, from the second step on, are other ones. Where
 * not all are, the one with the most.
 */
export function drawDonors(lab: PathLab, questions: readonly Question[], rng: Rng): PathDonors {
  const paths = lab.genir.docids.map((_, document) => lab.pathOf(document));
  /** The candidate with the fewest faults among some drawn; Infinity excludes one. */
  const draw = (count: number, faultsOf: (candidate: number) => number): number => {
    let [best, fewest] = [-1, Infinity];
    const start = rng.int(count);
    for (let i = 0; i < Math.min(count, TRIES) && fewest > 0; i++) {
      const candidate = (start + i * STRIDE) % count;
      const faults = faultsOf(candidate);
      if (faults < fewest) [best, fewest] = [candidate, faults];
    }
    return best;
  };
  const otherPath = ({ document }: Question): number =>
    draw(paths.length, (candidate) => {
      const [own, other] = [paths[document], paths[candidate]];
      const read = own.length - 1;
      let faults = 0;
      for (let p = 0; p < read; p++) if (p >= other.length - 1 || own[p] === other[p]) faults++;
      return faults < read ? faults : Infinity;
    });
  const otherQuery = ({ document }: Question): number =>
    draw(questions.length, (candidate) => {
      const [own, other] = [paths[document], paths[questions[candidate].document]];
      let faults = 0;
      for (let p = 1; p < own.length; p++) if (own[p] === other[p]) faults++;
      return questions[candidate].document === document ? Infinity : faults;
    });
  return { paths: Int32Array.from(questions, otherPath), queries: Int32Array.from(questions, otherQuery) };
}

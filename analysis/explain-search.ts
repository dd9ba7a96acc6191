import type { TracedStep } from '../models/beam/trace.ts';
import type { PathTokens } from './explain-tokens.ts';
import type { BeamAfter, Reached } from './explanation.ts';
import type { PathLab } from './path-lab.ts';

/** A prefix that a search goes on with, or the path of a document that it has found. */
interface Kept {
  readonly tokens: ArrayLike<number>;
  readonly score: number;
  /** −1: a prefix. */
  readonly document: number;
}

/** A search, seen from the path of one document. */
export class ExplainedSearch {
  private readonly lab: PathLab;
  private readonly tokens: PathTokens;
  private readonly trace: readonly TracedStep[];
  private readonly path: Int32Array;
  private readonly top: number;

  /** @param top  paths that are shown, at most */
  constructor(lab: PathLab, tokens: PathTokens, trace: readonly TracedStep[], document: number, top: number) {
    this.lab = lab;
    this.tokens = tokens;
    this.trace = trace;
    this.path = lab.pathOf(document);
    this.top = top;
  }

  /** Whether it keeps a token after the first t of the path. */
  isKept(t: number, token: number): boolean {
    return this.placeOf(this.kept(t), [...this.path.subarray(0, t), token]) >= 0;
  }

  /** @param t  counted from 0 */
  after(t: number): BeamAfter {
    const kept = this.kept(t);
    const place = this.placeOf(kept, [...this.path.subarray(0, t + 1)]);
    const goesOn = new Set(kept.map(({ tokens }) => Array.from(tokens).slice(0, t).join()));
    const before = t > 0 ? this.kept(t - 1).filter(({ document }) => document < 0) : [];
    const left = before.filter(({ tokens }) => !goesOn.has(Array.from(tokens).join()));
    return {
      place: place < 0 ? null : place + 1,
      kept: kept.length,
      best: this.shown(kept),
      left: this.shown(left),
    };
  }

  /** After step t, best first; a search that has ended keeps what it has found. */
  private kept(t: number): Kept[] {
    const { prefixes, found } = this.trace[Math.min(t, this.trace.length - 1)];
    const documents = found.map(({ document, score }) => ({ tokens: this.lab.pathOf(document), score, document }));
    return [...prefixes.map((prefix) => ({ ...prefix, document: -1 })), ...documents].sort((a, b) => b.score - a.score);
  }

  private placeOf(kept: readonly Kept[], tokens: readonly number[]): number {
    const wanted = tokens.join();
    return kept.findIndex((one) => Array.from(one.tokens).join() === wanted);
  }

  private shown(kept: readonly Kept[]): Reached[] {
    return kept.slice(0, this.top).map(({ tokens, score, document }) => ({
      path: this.tokens.names(tokens),
      score,
      docid: document < 0 ? null : this.lab.genir.docids[document],
    }));
  }
}

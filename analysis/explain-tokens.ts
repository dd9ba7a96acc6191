import { inputToken } from '../models/genir.ts';
import type { PathEntry } from './explanation.ts';
import type { PathLab } from './path-lab.ts';

/**
 * What the tokens of a model with paths as docids are called, and whose they are. Documents that come later may have both
 * tokens of their docid for themselves.
 */
export class PathTokens {
  private readonly lab: PathLab;
  /** Docids by the tokens that occur in theirs alone: at its end, or read as the code of later documents. */
  private readonly own = new Map<number, string>();

  constructor(lab: PathLab) {
    this.lab = lab;
    const shared = new Set<number>();
    const read = inputToken(lab.genir);
    lab.genir.docids.forEach((docid, document) => {
      const path = lab.pathOf(document);
      path.forEach((token, t) => {
        if ((t < path.length - 1 && read(token) === token) || this.own.has(token)) shared.add(token);
        this.own.set(token, docid);
      });
    });
    for (const token of shared) this.own.delete(token);
  }

  name(token: number): string {
    return this.lab.tokenName(token);
  }

  names(tokens: ArrayLike<number>): string[] {
    return Array.from(tokens, (token) => this.name(token));
  }

  /** The document that alone has a token. */
  docid(token: number): string | undefined {
    return this.own.get(token);
  }

  /** Words are words, also where one of them ends a docid. */
  entry(token: number): PathEntry {
    if (token < this.lab.genir.firstDocidToken) return { word: this.name(token) };
    const docid = this.own.get(token);
    return docid === undefined ? { code: this.name(token) } : { docid };
  }
}

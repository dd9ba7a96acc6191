import type { PathEntry } from './explanation.ts';
import type { PathLab } from './path-lab.ts';

/** What the tokens of a model with paths as docids are called, and whose they are. */
export class PathTokens {
  private readonly lab: PathLab;
  /** Docids by the tokens that occur in theirs alone, at its end. */
  private readonly leaves = new Map<number, string>();

  constructor(lab: PathLab) {
    this.lab = lab;
    const shared = new Set<number>();
    lab.genir.docids.forEach((docid, document) => {
      const path = lab.pathOf(document);
      const leaf = path[path.length - 1];
      path.subarray(0, -1).forEach((token) => shared.add(token));
      if (this.leaves.has(leaf)) shared.add(leaf);
      this.leaves.set(leaf, docid);
    });
    for (const token of shared) this.leaves.delete(token);
  }

  name(token: number): string {
    const { genir, tokenizer } = this.lab;
    return (token < genir.firstDocidToken ? tokenizer.token(token) : genir.codes[token - genir.firstDocidToken]) ?? '';
  }

  names(tokens: ArrayLike<number>): string[] {
    return Array.from(tokens, (token) => this.name(token));
  }

  /** The document whose docid a token ends, and that alone has it. */
  docid(token: number): string | undefined {
    return this.leaves.get(token);
  }

  /** Words are words, also where one of them ends a docid. */
  entry(token: number): PathEntry {
    if (token < this.lab.genir.firstDocidToken) return { word: this.name(token) };
    const docid = this.leaves.get(token);
    return docid === undefined ? { code: this.name(token) } : { docid };
  }
}

import { LexicalTeacher } from '../corpus/bm25.ts';
import { PseudoQueries, type QueryableText } from '../corpus/pseudo-queries.ts';
import { createRng } from '../corpus/random.ts';
import { stem } from '../corpus/stem.ts';
import { words } from '../corpus/words.ts';
import { seedOf } from './seed.ts';

/** Draws for one new query, at most: a short text has few different ones. */
const TRIES = 4;

/**
 * What the documents a model was trained on say about words, as it was then: documents that edits add or take away do not
 * change it, so that what it says of a text depends on the text alone.
 */
export class BaseCorpus {
  readonly documents: readonly QueryableText[];
  /** BM25 over the base documents. */
  readonly teacher: LexicalTeacher;
  private readonly pseudo: PseudoQueries;

  /**
   * @param documents  by row
   * @param questions  real ones; their function words make pseudo-queries look like questions
   */
  constructor(documents: readonly QueryableText[], questions: readonly string[]) {
    this.documents = documents;
    this.teacher = new LexicalTeacher(documents);
    this.pseudo = new PseudoQueries(documents, {
      skeletons: questions,
      ...(questions.length && { mix: { skeleton: 1 } }),
    });
  }

  /**
   * Different pseudo-queries of a text, as many as it gives up to `count`: the same for the same name and text.
   *
   * @param name  sets sequences apart that are to differ
   */
  pseudoQueries(
    name: string,
    document: QueryableText,
    count: number,
    except: ReadonlySet<string> = new Set(),
  ): string[] {
    const rng = createRng(seedOf(name, document.title, document.text));
    const prepared = this.pseudo.prepare(document);
    const drawn = new Set<string>();
    for (let i = 0; i < TRIES * count && drawn.size < count; i++) {
      const query = this.pseudo.drawFrom(prepared, rng);
      if (query && !except.has(query)) drawn.add(query);
    }
    return [...drawn];
  }

  /** The share of a query's words that a text has, each by its idf: from 0 to 1. */
  coverage(query: string, { title, text }: QueryableText): number {
    const has = new Set([...words(title), ...words(text)].map(stem));
    let [found, all] = [0, 0];
    for (const name of new Set(words(query).map(stem))) {
      const idf = this.teacher.idf(name);
      all += idf;
      if (has.has(name)) found += idf;
    }
    return all ? found / all : 0;
  }
}

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findBeirFiles, importBeir, readBeirDocuments, readBeirQrels, readBeirQueries } from '../../corpus/beir.ts';
import { splits } from '../../corpus/documents.ts';
import type { Split } from '../../corpus/documents.ts';
import { stem } from '../../corpus/stem.ts';
import { words } from '../../corpus/words.ts';
import { workshop } from '../support/corpus-temp.ts';

const folder = fileURLToPath(new URL('../../corpus/builtin', import.meta.url));
const absent = !existsSync(join(folder, 'corpus.jsonl')) && 'not in this checkout';
const { newStore } = workshop();

interface BuiltinDocument {
  docid: string;
  title: string;
  text: string;
  category: unknown;
}

/** A query as the files give it: whose it is, and on which side of the split. */
interface BuiltinQuery {
  id: string;
  text: string;
  docid: string;
  split: Split;
}

function read(dir: string): { documents: BuiltinDocument[]; queries: BuiltinQuery[] } {
  const files = findBeirFiles(dir);
  const documents = Array.from(readBeirDocuments(files.corpus), ({ document }) => ({
    docid: document.docid,
    title: document.title ?? '',
    text: document.text,
    category: document.metadata?.category,
  }));
  const texts = new Map(Array.from(readBeirQueries(files.queries!), ({ query }) => [query.id, query.text]));
  const judgements = splits.flatMap((split) =>
    Array.from(readBeirQrels(files.qrels[split]!), ({ qrel }) => ({ ...qrel, split })),
  );
  assert.equal(judgements.length, texts.size, `${dir}: expected one judgement for each query`);
  const queries = judgements.map(({ queryId, docid, score, split }) => {
    assert.equal(score, 1, queryId);
    const text = texts.get(queryId);
    assert.ok(text !== undefined, `${queryId} is judged, and not in queries.jsonl`);
    return { id: queryId, text, docid, split };
  });
  return { documents, queries };
}

const stopWords = new Set(
  `a an the of in on at to for and or nor but if is are was were be been being am it its it's this that these those there
  here with by from as into out up about over than then so not no do does did done doing has have had having can could
  will would shall should may might must what what's which who whom whose when where why how i you your he she they them
  their his her my me we us our one some any get gets got called call mean tell explain explained please`.split(/\s+/),
);

/** What is compared of a query: the lower-cased words that are no stop words, as they stand and stemmed. */
interface ContentWords {
  plain: Set<string>;
  stemmed: Set<string>;
}

function contentWords(text: string): ContentWords {
  const plain = new Set(words(text).filter((word) => !stopWords.has(word)));
  return { plain, stemmed: new Set(Array.from(plain, stem)) };
}

const nearCopyFrom = 0.7;

/** Jaccard's measure: words in both over words in either; 1 for equal sets, two empty ones among them. */
function similarity(a: Set<string>, b: Set<string>): number {
  const both = Array.from(a).filter((word) => b.has(word)).length;
  const either = a.size + b.size - both;
  return either === 0 ? 1 : both / either;
}

function isNearCopy(a: ContentWords, b: ContentWords): boolean {
  return similarity(a.plain, b.plain) >= nearCopyFrom || similarity(a.stemmed, b.stemmed) >= nearCopyFrom;
}

/** Finds, for a text, the texts given that are near-copies of it: only those that share a word are compared. */
class NearCopies {
  readonly #entries: { name: string; content: ContentWords }[];
  readonly #entriesWith = new Map<string, number[]>();

  constructor(texts: Iterable<{ name: string; text: string }>) {
    this.#entries = Array.from(texts, ({ name, text }) => ({ name, content: contentWords(text) }));
    this.#entries.forEach(({ content }, entry) => {
      for (const word of content.stemmed) {
        const entries = this.#entriesWith.get(word);
        if (entries) entries.push(entry);
        else this.#entriesWith.set(word, [entry]);
      }
    });
  }

  of(text: string): string[] {
    const content = contentWords(text);
    const candidates = new Set(Array.from(content.stemmed, (word) => this.#entriesWith.get(word) ?? []).flat());
    return Array.from(candidates, (entry) => this.#entries[entry])
      .filter((entry) => isNearCopy(content, entry.content))
      .map(({ name }) => name);
  }
}

/** The first six words in a row that a query shares with a text. */
function copiedWords(query: string, text: string): string | undefined {
  const asked = words(query);
  const copied = ` ${words(text).join(' ')} `;
  for (let from = 0; from + 6 <= asked.length; from++) {
    const six = asked.slice(from, from + 6).join(' ');
    if (copied.includes(` ${six} `)) return six;
  }
  return undefined;
}

const lengthOf = (text: string): number => text.trim().split(/\s+/).length;

function repeated(values: readonly string[]): string[] {
  return values.filter((value, i) => values.indexOf(value) !== i);
}

describe('the measure of near-copies', () => {
  const pairs: [string, string, boolean][] = [
    ['How tall is the Eiffel Tower?', 'eiffel tower tall', true],
    ['how many moons does Jupiter have', 'what is a moon of Jupiter', false],
    ['do elephants swim', 'Can an elephant swim?', true],
    ['first dog in space', 'first woman in space', false],
    ['why is it so?', 'what is that?', true],
  ];
  for (const [a, b, expected] of pairs)
    it(`${expected ? 'takes' : 'does not take'} '${a}' for '${b}'`, () => {
      assert.equal(isNearCopy(contentWords(a), contentWords(b)), expected);
    });
});

describe('the built-in corpus', { skip: absent }, () => {
  const base = absent ? { documents: [], queries: [] } : read(folder);
  const additions = absent ? { documents: [], queries: [] } : read(join(folder, 'additions'));
  const documents = [...base.documents, ...additions.documents];
  const queries = [...base.queries, ...additions.queries];
  const textOf = new Map(documents.map(({ docid, text }) => [docid, text]));

  it('has at least 1,000 documents, and 200 more that are kept for edits', () => {
    assert.ok(base.documents.length >= 1000, `${base.documents.length} documents`);
    assert.ok(additions.documents.length >= 200, `${additions.documents.length} additions`);
  });

  it('is valid BEIR, both parts of it together', () => {
    const store = newStore();
    for (const [dir, part] of [
      [folder, base],
      [join(folder, 'additions'), additions],
    ] as const) {
      const counts = importBeir(store, dir);
      assert.equal(counts.documents, part.documents.length);
      assert.equal(counts.queries, part.queries.length);
      assert.deepEqual([counts.ignored, counts.repeatedQrels], [[], 0]);
    }
  });

  it('has no document twice, by docid, title or text', () => {
    assert.deepEqual(repeated(documents.map(({ docid }) => docid)), []);
    assert.deepEqual(repeated(documents.map(({ title }) => words(title).join(' '))), []);
    assert.deepEqual(repeated(documents.map(({ text }) => words(text).join(' '))), []);
  });

  it('has docids that are the titles in kebab case, and documents in their order', () => {
    for (const { docid, title } of documents) {
      const plain = title.normalize('NFKD').replace(/\p{M}|['’]/gu, '');
      assert.equal(
        docid,
        plain
          .toLowerCase()
          .match(/[a-z0-9]+/g)
          ?.join('-'),
      );
    }
    for (const part of [base, additions]) {
      const docids = part.documents.map(({ docid }) => docid);
      assert.deepEqual(docids, [...docids].sort());
    }
  });

  it('has texts of 50 to 120 words', () => {
    const lengths = documents.map(({ docid, text }) => ({ docid, length: lengthOf(text) }));
    assert.deepEqual(
      lengths.filter(({ length }) => length < 50 || length > 120),
      [],
    );
  });

  it('has a category for each document, and additions in every one', () => {
    const categories = [...new Set(documents.map(({ category }) => category))].sort();
    assert.deepEqual(categories, [
      'animals',
      'arts',
      'astronomy',
      'chemistry',
      'earth',
      'everyday life',
      'food',
      'health',
      'history',
      'language',
      'mathematics',
      'mythology',
      'people',
      'physics',
      'places',
      'plants',
      'religion and philosophy',
      'society',
      'sports',
      'technology',
    ]);
    for (const part of [base, additions])
      assert.deepEqual([...new Set(part.documents.map(({ category }) => category))].sort(), categories);
  });

  it('has at least 8 queries for each document: 5 train, 1 dev, 2 test, and further train queries for the model', () => {
    const further = (id: string): boolean => /-t\d+$/.test(id);
    const byDocument = new Map(documents.map(({ docid }) => [docid, { train: 0, dev: 0, test: 0, further: 0 }]));
    for (const { id, docid, split } of queries) byDocument.get(docid)![further(id) ? 'further' : split]++;
    const indexed = new Set(base.documents.map(({ docid }) => docid));
    for (const [docid, { further: count, ...split }] of byDocument) {
      assert.deepEqual(split, { train: 5, dev: 1, test: 2 }, docid);
      assert.ok(indexed.has(docid) ? count >= 8 : count === 0, `${docid}: ${count} further queries`);
    }
    for (const { id, docid, split } of queries) {
      assert.match(id.slice(docid.length), /^-(q[1-8]|t\d+)$/, id);
      if (further(id)) assert.equal(split, 'train', id);
    }
  });

  it('asks nothing twice', () => {
    assert.deepEqual(repeated(queries.map(({ text }) => words(text).join(' '))), []);
    for (const { id, text } of queries) assert.ok(contentWords(text).plain.size > 0, `${id} has only stop words`);
  });

  it('has no dev or test query that is a near-copy of what a model sees: a train query or a title', () => {
    const seen = new NearCopies([
      ...queries.filter(({ split }) => split === 'train').map(({ id, text }) => ({ name: id, text })),
      ...documents.map(({ docid, title }) => ({ name: `title of ${docid}`, text: title })),
    ]);
    const leaks = queries
      .filter(({ split }) => split !== 'train')
      .flatMap(({ id, text }) => seen.of(text).map((name) => `${id} '${text}': ${name}`));
    assert.deepEqual(leaks, []);
  });

  it('has no query with six words in a row from its document', () => {
    const copies = queries
      .map(({ id, text, docid }) => ({ id, copied: copiedWords(text, textOf.get(docid)!) }))
      .filter(({ copied }) => copied !== undefined);
    assert.deepEqual(copies, []);
  });
});

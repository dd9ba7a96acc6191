import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { excerpt, identifierProblem, splits, UnknownDocidError } from './documents.ts';
import type { Qrel, Query, Split } from './documents.ts';
import { ImportError } from './import-error.ts';
import { FirstLines, insertDocuments, noCounts, ProgressMeter, writeImportRecord } from './import.ts';
import type { ImportCounts, ImportOptions, SourceDocument } from './import.ts';
import { identifierField, metadataField, optionalTextField, readJsonLines, textField } from './json-lines.ts';
import { readLines } from './lines.ts';
import type { Line, SourceFile } from './lines.ts';
import { UnknownQueryError } from './store.ts';
import type { Store } from './store.ts';

/**
 * A BEIR folder: `corpus.jsonl` {_id, title?, text, metadata?}, `queries.jsonl` {_id, text}, `qrels/{train,dev,test}.tsv`
 * with the header `query-id corpus-id score`. Only the documents must be there. Other fields of a document join its
 * metadata; other fields of a query (answers, in many sets) are not kept.
 */
export interface BeirFiles {
  corpus: SourceFile;
  queries?: SourceFile;
  qrels: { [S in Split]?: SourceFile };
  /** Files of `qrels/` that are not a split of ours. */
  ignored: string[];
}

/** What a BEIR folder holds. @throws ImportError when it is not one */
export function findBeirFiles(dir: string): BeirFiles {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new ImportError({ file: dir }, 'a folder with corpus.jsonl, queries.jsonl and qrels/', 'none there');
  const file = (name: string): SourceFile => ({ path: join(dir, name), name });
  const files: BeirFiles = { corpus: file('corpus.jsonl'), qrels: {}, ignored: [] };
  if (!existsSync(files.corpus.path)) throw new ImportError({ file: dir }, 'a corpus.jsonl in the folder', 'none');
  if (existsSync(join(dir, 'queries.jsonl'))) files.queries = file('queries.jsonl');
  if (!existsSync(join(dir, 'qrels'))) return files;
  for (const name of readdirSync(join(dir, 'qrels')).sort()) {
    const split = splits.find((known) => name === `${known}.tsv`);
    if (split) files.qrels[split] = file(`qrels/${name}`);
    else files.ignored.push(`qrels/${name}`);
  }
  return files;
}

const documentFields = new Set(['_id', 'title', 'text', 'metadata']);

/** @throws ImportError */
export function* readBeirDocuments(file: SourceFile): Generator<SourceDocument, void, undefined> {
  for (const { line, bytes, object } of readJsonLines(file)) {
    const place = { file: file.name, line };
    const others = Object.entries(object).filter(([name]) => !documentFields.has(name));
    const document = {
      docid: identifierField(place, object, '_id'),
      title: optionalTextField(place, object, 'title'),
      text: optionalTextField(place, object, 'text'),
      metadata: { ...Object.fromEntries(others), ...metadataField(place, object) },
    };
    yield { line, bytes, document };
  }
}

/** @throws ImportError */
export function* readBeirQueries(file: SourceFile): Generator<Line & { query: Query }, void, undefined> {
  for (const line of readJsonLines(file)) {
    const place = { file: file.name, line: line.line };
    const query = { id: identifierField(place, line.object, '_id'), text: textField(place, line.object, 'text') };
    const problem = identifierProblem(query.id);
    if (problem) throw new ImportError(place, `_id to be ${problem.expected}`, problem.actual);
    if (query.text.trim() === '') throw new ImportError(place, `a query in 'text'`, 'an empty one');
    yield { ...line, query };
  }
}

const qrelsHeader = ['query-id', 'corpus-id', 'score'];

/** @throws ImportError */
export function* readBeirQrels(file: SourceFile): Generator<Line & { qrel: Qrel }, void, undefined> {
  let hasHeader = false;
  for (const line of readLines(file)) {
    const place = { file: file.name, line: line.line };
    if (!hasHeader) {
      if (line.text.trim() !== qrelsHeader.join('\t'))
        throw new ImportError(place, `the header '${qrelsHeader.join('\\t')}'`, excerpt(line.text));
      hasHeader = true;
      continue;
    }
    if (line.text.trim() === '') continue;
    const [queryId, docid, score, ...more] = line.text.split('\t');
    if (score === undefined || more.length > 0)
      throw new ImportError(place, 'a query id, a docid and a score between tabs', excerpt(line.text));
    if (!/^[+-]?\d{1,9}$/.test(score.trim())) throw new ImportError(place, 'a whole number as score', excerpt(score));
    yield { ...line, qrel: { queryId, docid, score: Number(score) } };
  }
  if (!hasHeader)
    throw new ImportError({ file: file.name }, `the header '${qrelsHeader.join('\\t')}'`, 'an empty file');
}

/** Imports a BEIR folder in one transaction; a failure or a kill leaves the store as it was. @throws ImportError */
export function importBeir(store: Store, dir: string, options: ImportOptions = {}): ImportCounts {
  const files = findBeirFiles(dir);
  const sources = [files.corpus, files.queries, ...Object.values(files.qrels)].filter((file) => file !== undefined);
  return store.transaction(() => {
    const meter = new ProgressMeter(sources, options);
    const counts = { ...noCounts(), ignored: files.ignored };
    counts.documents = insertDocuments(store, files.corpus, readBeirDocuments(files.corpus), meter);
    if (files.queries) counts.queries = insertQueries(store, files.queries, meter);
    for (const split of splits) {
      const file = files.qrels[split];
      if (!file) continue;
      const { qrels, repeated } = insertQrels(store, file, split, meter);
      counts.qrels[split] = qrels;
      counts.repeatedQrels += repeated;
    }
    writeImportRecord(store, dir, counts);
    return counts;
  });
}

function insertQueries(store: Store, file: SourceFile, meter: ProgressMeter): number {
  const lines = new FirstLines('query id', file);
  let count = 0;
  for (const { line, bytes, query } of readBeirQueries(file)) {
    lines.add(query.id, line);
    if (store.query(query.id) !== undefined)
      throw new ImportError({ file: file.name, line }, 'a new query id', `'${query.id}', which the store has already`);
    store.putQuery(query);
    meter.tick(file, bytes, ++count);
  }
  meter.finish(file, count);
  return count;
}

function insertQrels(
  store: Store,
  file: SourceFile,
  split: Split,
  meter: ProgressMeter,
): { qrels: number; repeated: number } {
  const seen = new Map<string, { line: number; score: number }>();
  let repeated = 0;
  for (const { line, bytes, qrel } of readBeirQrels(file)) {
    const key = `${qrel.queryId}\t${qrel.docid}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, { line, score: qrel.score });
      insertQrelAt(store, file, line, qrel, split);
    } else if (first.score === qrel.score) {
      repeated++;
    } else {
      const actual = `${qrel.score} for '${qrel.queryId}' and '${qrel.docid}', where line ${first.line} has ${first.score}`;
      throw new ImportError({ file: file.name, line }, 'one score for a query and a document', actual);
    }
    meter.tick(file, bytes, seen.size + repeated);
  }
  meter.finish(file, seen.size);
  return { qrels: seen.size, repeated };
}

function insertQrelAt(store: Store, file: SourceFile, line: number, qrel: Qrel, split: Split): void {
  try {
    store.putQrel(qrel, split);
  } catch (error) {
    const place = { file: file.name, line };
    if (error instanceof UnknownQueryError)
      throw new ImportError(place, 'the id of a query in queries.jsonl', `'${error.queryId}'`, { cause: error });
    if (error instanceof UnknownDocidError)
      throw new ImportError(place, 'the id of a document in corpus.jsonl', `'${error.docid}'`, { cause: error });
    throw error;
  }
}

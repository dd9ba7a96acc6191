/**
 * Run and qrels files of TREC, for other tools to read and be read from: a run line is `qid Q0 docid rank score tag`, a qrels
 * line `qid iter docid grade`, columns between white space. The rank is written but, as in trec_eval, never read.
 */
import { excerpt } from '../corpus/documents.ts';
import { ImportError } from '../corpus/import-error.ts';
import { readLines } from '../corpus/lines.ts';
import { writeAtomically } from '../models/weights.ts';
import type { Qrels } from './qrels.ts';
import { trecOrder, type Run, type Scored } from './run.ts';

/** Something that has no form in a TREC file: an id with white space in it, a score that is not a number. */
export class TrecFieldError extends Error {
  override readonly name = 'TrecFieldError';
  readonly file: string;
  constructor(file: string, expected: string, actual: string) {
    super(`${file}: expected ${expected}, got ${actual}; TREC files cannot hold it`);
    this.file = file;
  }
}

/** @throws ImportError with the line that is wrong */
export function readRunFile(file: string): Run {
  const run = new Map<string, Scored[]>();
  for (const { place, fields } of readFields(file, ['qid', 'Q0', 'docid', 'rank', 'score', 'tag'])) {
    const [queryId, , docid, , scoreText] = fields;
    const score = Number(scoreText);
    if (!Number.isFinite(score)) throw new ImportError(place, 'a finite number as score', excerpt(scoreText));
    let answered = run.get(queryId);
    if (!answered) run.set(queryId, (answered = []));
    answered.push({ docid, score });
  }
  return run;
}

/** @throws ImportError with the line that is wrong */
export function readQrelsFile(file: string): Qrels {
  const qrels = new Map<string, Map<string, number>>();
  for (const { place, fields } of readFields(file, ['qid', 'iter', 'docid', 'grade'])) {
    const [queryId, , docid, grade] = fields;
    if (!/^[+-]?\d{1,9}$/.test(grade)) throw new ImportError(place, 'a whole number as grade', excerpt(grade));
    let grades = qrels.get(queryId);
    if (!grades) qrels.set(queryId, (grades = new Map<string, number>()));
    grades.set(docid, Number(grade));
  }
  return qrels;
}

interface Fields {
  readonly place: { readonly file: string; readonly line: number };
  readonly fields: readonly string[];
}

/** Lines cut at white space; every pair of query and document once. Empty lines are passed over. */
function* readFields(file: string, columns: readonly string[]): Generator<Fields, void, undefined> {
  const first = new Map<string, number>();
  for (const { line, text } of readLines({ path: file, name: file })) {
    const fields = text.split(/[ \t\r\f\v]+/).filter((field) => field !== '');
    if (fields.length === 0) continue;
    const place = { file, line };
    if (fields.length !== columns.length) {
      const expected = `${columns.length} columns (${columns.join(' ')})`;
      throw new ImportError(place, expected, `${fields.length}: ${excerpt(text)}`);
    }
    const pair = `${fields[0]} ${fields[2]}`;
    const earlier = first.get(pair);
    if (earlier !== undefined)
      throw new ImportError(place, 'every document of a query once', `'${fields[2]}', which line ${earlier} has`);
    first.set(pair, line);
    yield { place, fields };
  }
}

/**
 * Writes a run in TREC order, whole or not at all.
 * @param tag  name of the system, without white space
 * @throws TrecFieldError
 */
export function writeRunFile(file: string, run: Run, tag: string): void {
  writeAtomically(file, (write) => {
    checkField(file, 'a tag', tag);
    for (const [queryId, answered] of run) {
      checkField(file, 'query ids', queryId);
      const lines = [...answered].sort(trecOrder).map(({ docid, score }, i) => {
        checkField(file, 'docids', docid);
        if (!Number.isFinite(score)) throw new TrecFieldError(file, 'finite scores', `${score} for '${docid}'`);
        return `${queryId} Q0 ${docid} ${i + 1} ${score} ${tag}\n`;
      });
      write(Buffer.from(lines.join('')));
    }
  });
}

/** Writes judgements, whole or not at all. @throws TrecFieldError */
export function writeQrelsFile(file: string, qrels: Qrels): void {
  writeAtomically(file, (write) => {
    for (const [queryId, grades] of qrels) {
      checkField(file, 'query ids', queryId);
      const lines = [...grades].map(([docid, grade]) => {
        checkField(file, 'docids', docid);
        return `${queryId} 0 ${docid} ${grade}\n`;
      });
      write(Buffer.from(lines.join('')));
    }
  });
}

/** For callers that would rather know before the work of making a run than after it. @throws TrecFieldError */
export function checkTrecIds(file: string, what: string, ids: Iterable<string>): void {
  for (const id of ids) checkField(file, what, id);
}

function checkField(file: string, what: string, value: string): void {
  if (value === '' || /\s/.test(value)) throw new TrecFieldError(file, `${what} without white space`, `'${value}'`);
}

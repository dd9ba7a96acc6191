import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { LexicalTeacher } from '../../../corpus/bm25.ts';
import { RESERVED } from '../../../models/training/docid-space.ts';
import { reservedMean, TextRows } from '../../../models/training/text-rows.ts';

describe('reservedMean', () => {
  it('is the mean of all rows in the reserved dimensions and of nothing else', () => {
    const rows = Float32Array.of(1, 2, 3, 4, 50, 60, 3, 6, -9, 0, 70, 80, 5, 1, 0, -4, 90, 10);
    assert.deepEqual([...reservedMean(rows, 6)], [3, 3, -2, 0]);
  });
});

describe('a row made of text', () => {
  const documents = [
    { title: '', text: 'red red blue' },
    { title: '', text: 'blue green' },
    { title: '', text: '' },
  ];
  const ids: Readonly<Record<string, number>> = { red: 0, blue: 1, green: 2 };
  const teacher = new LexicalTeacher(documents);
  const textRows = new TextRows(documents, teacher, (word) => [ids[word]]);
  const [d, reserved] = [RESERVED + 2, [0.5, -1, 0, 2]];
  const embeddings = Float32Array.of(...[9, 9, 9, 9, 3, 0], ...[9, 9, 9, 9, 0, 7], ...[9, 9, 9, 9, -1, -1]);

  it('has the length and the reserved values it is given, and between them the BM25-weighted sum of directions', () => {
    const row = textRows.row(0, embeddings, d, { length: 10, reserved });
    const impact = (word: string): number => teacher.top(word, 3).scores[[...teacher.top(word, 3).rows].indexOf(0)];
    const [red, blue] = [impact('red'), impact('blue')];
    const norm = Math.hypot(red, blue);
    assert.deepEqual([...row.subarray(0, RESERVED)], reserved);
    assert.ok(
      Math.abs(row[RESERVED] - (10 * red) / norm) < 1e-5 && Math.abs(row[RESERVED + 1] - (10 * blue) / norm) < 1e-5,
    );
  });

  it('is the reserved values alone where a document has no words', () => {
    assert.deepEqual([...textRows.row(2, embeddings, d, { length: 10, reserved })], [...reserved, 0, 0]);
  });
});

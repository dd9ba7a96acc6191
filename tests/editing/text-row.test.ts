import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LexicalTeacher } from '../../corpus/bm25.ts';
import { docidPlaces, RESERVED } from '../../models/training/docid-space.ts';
import { reservedMean, TextRows } from '../../models/training/text-rows.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { documents, openBench } from '../support/edit-bank.ts';

const { model, bank } = await openBench(tempFolder());
const { data: rows, shape } = model.rows;
const D = shape[1];

describe('text rows of documents to be added', () => {
  it('are those of training for the documents that it knew', () => {
    const lengths = documents.map((_, row) => Math.hypot(...rows.subarray(row * D + RESERVED, (row + 1) * D)));
    const like = {
      length: lengths.reduce((sum, x) => sum + x, 0) / lengths.length,
      reserved: reservedMean(rows, D),
      places: docidPlaces(model.lab.config),
    };
    const encode = (word: string): number[] => model.lab.tokenizer.encode(word).slice(0, -1);
    const trained = new TextRows(documents, new LexicalTeacher(documents), encode);
    const embeddings = model.folder.tensor('shared.weight').data;
    documents.forEach((document, row) =>
      assertClose(bank.textRows.row(document), trained.row(row, embeddings, D, like), document.docid, 1e-6),
    );
  });

  it('do not depend on what was asked for before', () => {
    const document = { title: 'ice', text: 'rivers of ice, and words nobody has seen: quux, blorp' };
    const first = bank.textRows.row(document);
    bank.textRows.row({ title: '', text: 'quux quux quux' });
    assert.deepEqual(bank.textRows.row(document), first);
  });

  it('count words as the base documents have them', () => {
    const { teacher } = bank.corpus;
    const impacts = teacher.impacts({ title: '', text: 'violin violin unseen' });
    // N = 10; "violin" is in one document, "unseen" in none; 3 words.
    const average = documents.reduce((sum, { title, text }) => sum + `${title} ${text}`.split(' ').length, 0) / 10;
    const norm = 1.2 * (0.25 + (0.75 * 3) / average);
    const [once, never] = [Math.log(1 + 9.5 / 1.5), Math.log(1 + 10.5 / 0.5)];
    assertClose(
      [impacts.get('violin')!, impacts.get('unseen')!],
      [(once * 4.4) / (2 + norm), (never * 2.2) / (1 + norm)],
      'impacts',
    );
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { join } from 'node:path';
import { storeStepStages } from '../../analysis/stages.ts';
import { LexicalTeacher } from '../../corpus/bm25.ts';
import { EditModel } from '../../editing/edit-model.ts';
import { TextRowMaker } from '../../editing/text-row.ts';
import { readModelFolder } from '../../models/folder.ts';
import { docidPlaces, RESERVED } from '../../models/training/docid-space.ts';
import { indexPaths } from '../../models/training/paths/index-paths.ts';
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

describe('rows of the paths of documents to be added', () => {
  const subjects = ['octopus', 'volcano', 'violin', 'glacier', 'telescope', 'bicycle', 'cathedral', 'pepper', 'comet'];
  const facts = ['was drawn by monks of the north', 'is sold near harbours', 'appears in songs about giants'];
  const base = subjects.flatMap((subject) =>
    facts.map((fact, i) => ({
      docid: `${subject}-${i}`,
      title: subject,
      text: `The ${subject} ${fact} in year ${i}.`,
    })),
  );

  it('are nearest to those of the document that has the text, at the first step mostly, where clusters share words', async () => {
    const out = join(tempFolder(), 'hashed');
    const input = {
      ...{ fingerprint: 'subjects', train: [], dev: [] },
      documents: base.map((document) => ({ ...document, metadata: {}, state: 'live' as const, version: 1 })),
    };
    await indexPaths('hashed', input, {
      ...{ out, size: 'tiny', seed: 1, steps: 1, resume: false, threads: 1, onProgress: () => undefined },
    });
    const span = { from: 2, to: 3, fromInterval: [2, 2] as [number, number], toInterval: [3, 3] as [number, number] };
    const stages = {
      ...({ version: 1, layers: 3, ranking: 'docids', queries: 1, priming: null, bridging: null } as const),
      interaction: { ...span, confidence: 1 },
    };
    storeStepStages(out, [1, 2].map((step) => ({ ...stages, mlps: [], step }))); // prettier-ignore
    const paths = await EditModel.open(readModelFolder(out));
    const { lab, later, rows: table, documentRows } = paths;
    const teacher = new LexicalTeacher(base);
    const maker = new TextRowMaker(paths, teacher);
    const width = lab.config.d_model;
    const rowOf = (token: number): Float32Array => table.data.subarray(token * width, (token + 1) * width);
    const common = rowOf(later!).slice();
    const wins = { first: 0, last: 0 };
    base.forEach((document, n) => {
      const row = maker.row(document);
      assert.equal(row.length, 2 * width);
      const clusters = [...new Set(base.map((_, m) => paths.prefixOf(m)[0]))];
      const leads = (token: number): number => cosine(less(row.subarray(0, width), common), less(rowOf(token), common));
      if (best(clusters, leads) === paths.prefixOf(n)[0]) wins.first++;
      const near = (m: number): number =>
        cosine(row.subarray(width + RESERVED), documentRows.data.subarray(m * width + RESERVED, (m + 1) * width));
      if (best([...base.keys()], near) === n) wins.last++;
    });
    assert.ok(wins.first > base.length / 2 && wins.last > 0.8 * base.length, JSON.stringify(wins));
    await paths.close();
  });
});

const less = (a: Float32Array, b: Float32Array): Float32Array => a.map((x, i) => x - b[i]);
const best = (of: readonly number[], scoreOf: (one: number) => number): number =>
  of.reduce((a, b) => (scoreOf(b) > scoreOf(a) ? b : a));
const cosine = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + x * b[i], 0) / (Math.hypot(...a) * Math.hypot(...b) || 1);

/** What a benchmark draws: documents, queries given, questions in their groups. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawPlan, editedDocuments, TooFewDocumentsError, type BenchCorpus } from '../../../editing/bench/plan.ts';
import { benchCorpus } from '../../support/bench-corpus.ts';

const counts = { add: 2, delete: 2, change: 3 };

describe('drawPlan', () => {
  it('is a function of the seed', () => {
    const draw = (seed: number) => drawPlan(benchCorpus, counts, { seed, textOnly: false });
    assert.deepEqual(draw(3), draw(3));
    assert.notDeepEqual(draw(3).edits, draw(4).edits);
  });

  it('edits each document once and puts every question where its documents are', () => {
    const { edits, questions } = drawPlan(benchCorpus, counts, { seed: 7, textOnly: false });
    const kinds = (kind: string) => edits.filter((edit) => edit.kind === kind);
    assert.deepEqual([kinds('add').length, kinds('delete').length, kinds('change').length], [2, 2, 3]);
    assert.equal(new Set(edits.map(({ docid }) => docid)).size, 7);
    const contents = edits.flatMap((edit) => (edit.kind === 'delete' ? [] : [edit.content.docid]));
    assert.ok(contents.every((docid) => docid.startsWith('h')));
    assert.equal(new Set(contents).size, 5);

    const sizes = Object.entries(questions).map(([group, list]) => [group, list.length]);
    assert.deepEqual(sizes, [['old', 10], ['new', 4], ['changed', 6], ['obsolete', 6], ['deleted', 4]]); // prettier-ignore
    for (const { id, relevant, edit } of questions.changed) {
      const change = edits[edit!];
      assert.ok(change.kind === 'change' && id.startsWith(`${change.content.docid}-`));
      assert.deepEqual(relevant, [change.docid]);
    }
    for (const { id, relevant, edit } of questions.obsolete) {
      assert.equal(edits[edit!].docid, relevant[0]);
      assert.ok(id.startsWith(`${relevant[0]}-`));
    }
    assert.ok(questions.old.every(({ edit, relevant }) => edit === null && relevant[0].startsWith('d')));
  });

  it('gives documents their train queries, or none', () => {
    const [given, bare] = [false, true].map((textOnly) => drawPlan(benchCorpus, counts, { seed: 1, textOnly }));
    for (const edit of given.edits)
      if (edit.kind !== 'delete')
        assert.deepEqual(
          edit.queries,
          benchCorpus.train.filter(({ relevant }) => relevant[0] === edit.content.docid).map(({ text }) => text),
        );
    assert.ok(bare.edits.every((edit) => edit.kind === 'delete' || edit.queries.length === 0));
    assert.deepEqual(
      bare.edits.map(({ docid }) => docid),
      given.edits.map(({ docid }) => docid),
    );
  });

  it('counts a question of several documents once, as that of one which stays, if any does', () => {
    const shared: BenchCorpus = {
      ...benchCorpus,
      test: [...benchCorpus.test, { id: 'all', text: 'x', relevant: [...benchCorpus.base, ...benchCorpus.heldOut].map(({ docid }) => docid) }], // prettier-ignore
    };
    const { questions } = drawPlan(shared, counts, { seed: 7, textOnly: false });
    const places = Object.entries(questions).flatMap(([group, list]) =>
      list.filter(({ id }) => id === 'all').map(({ relevant }) => [group, relevant.length] as const),
    );
    assert.deepEqual(places, [['old', 5]]);
  });

  it('refuses more edits than there are documents that test queries ask for', () => {
    const draw = (changed: object) => () =>
      drawPlan(benchCorpus, { ...counts, ...changed }, { seed: 1, textOnly: true });
    assert.throws(draw({ add: 4 }), TooFewDocumentsError);
    assert.throws(draw({ delete: 8 }), /documents of the model: expected at least 11 .*, got 10/);
  });
});

describe('editedDocuments', () => {
  it('has new content under the docids of after the edits', () => {
    const { edits } = drawPlan(benchCorpus, counts, { seed: 7, textOnly: false });
    const documents = editedDocuments(benchCorpus.base, edits);
    assert.equal(documents.length, 10 + 2 - 2);
    for (const edit of edits) {
      const there = documents.find(({ docid }) => docid === edit.docid);
      assert.equal(there?.text, edit.kind === 'delete' ? undefined : edit.content.text);
    }
  });
});

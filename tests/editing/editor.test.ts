/** Edits of a tiny random model in a real SQLite file. Its canaries mean nothing, so most edits have the whole budget. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openStore, type Store } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import type { EditOutcome, Operation } from '../../editing/operations.ts';
import { presets } from '../../editing/presets.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { readPublished } from '../../editing/published-version.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { modelVersion } from '../../models/model-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { contentOf, corpusOf, editWorld, fewQueries, openEditor } from '../support/edit-world.ts';
import { texts, writeTinyModel } from '../support/tiny-model.ts';

const opened: (() => Promise<void>)[] = [];
after(() => Promise.all(opened.map((close) => close())));

async function world() {
  const made = editWorld(tempFolder());
  const { store, editor, close } = await openEditor(made);
  opened.push(close);
  const edit = (...operations: Operation[]): Promise<EditOutcome> => editor.edit({ operations, budget: 1 });
  return { ...made, store, editor, edit };
}

const lantern = {
  docid: 'lantern',
  title: 'The lantern',
  text: 'A lantern gives light when the night is dark at sea.',
};
const kettle = { docid: 'kettle', title: 'The kettle', text: 'A kettle boils water for tea over a fire of wood.' };
const whistle = { docid: 'whistle', title: 'The whistle', text: 'A whistle makes a loud note when air is blown in.' };
const add = (document: typeof lantern): Operation => ({ kind: 'add', document });

const found = async (folder: ReturnType<typeof readModelFolder>, { version }: Editor, query: string) => {
  const decoder = await DocidDecoder.open(folder);
  await decoder.publish(version.model);
  const [{ rows }] = await decoder.retrieve([{ query, k: 100 }]);
  await decoder.close();
  return Array.from(rows, (row) => version.docids[row]);
};

describe('an edit', () => {
  it('adds, changes, renames and deletes documents in the store and in the model', async () => {
    const { folder, store, editor, edit } = await world();
    assert.deepEqual(editor.version.model, { editSeq: 0, live: new Uint8Array(10).fill(1), rows: [], deltas: [] });

    const added = await edit(add(lantern));
    assert.deepEqual(added.documents, [{ docid: 'lantern', version: 1 }]);
    assert.deepEqual([added.seq, editor.version.model.editSeq, added.figures.heldOut.count], [1, 1, 2]);
    assert.deepEqual(editor.version.docids.slice(10), ['lantern']);

    await edit({ kind: 'change', docid: 'd3', document: { text: kettle.text } });
    assert.deepEqual(store.document('d3'), {
      ...{ docid: 'd3', title: 'title 3', text: kettle.text },
      ...{ metadata: { number: 3 }, version: 2, state: 'live' },
    });
    assert.deepEqual([editor.version.docids[3], editor.version.docids[11]], [null, 'd3']);

    await edit({ kind: 'rename', docid: 'd3', to: 'kettle' }, { kind: 'rename', docid: 'd4', to: 'comet' });
    assert.deepEqual([editor.version.docids[4], editor.version.docids[11]], ['comet', 'kettle']);
    assert.equal(store.searchBm25('kettle', 1)[0].docid, 'kettle');

    await edit({ kind: 'delete', docid: 'lantern' }, { kind: 'delete', docid: 'd9' });
    const { live, rows } = editor.version.model;
    assert.deepEqual([...live], [1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1]);
    assert.deepEqual(
      rows.map(({ row }) => row),
      [11],
    );
    const all = await found(folder, editor, 'anything at all');
    assert.deepEqual(all.toSorted(), [...store.liveDocids()].sort());
    assert.deepEqual(store.liveDocids().length, 9);

    await edit(add(whistle)); // the lowest free row
    assert.equal(editor.version.docids[10], 'whistle');
  });

  it('of metadata alone, or of a document that the model does not know, leaves the model as it is', async () => {
    const { store, editor, edit } = await world();
    store.insert(lantern); // found by its words alone
    const before = contentOf(editor.version);
    await edit({ kind: 'change', docid: 'd1', document: { metadata: { number: 'one' } } });
    await edit({ kind: 'rename', docid: 'lantern', to: 'lamp' });
    assert.deepEqual(contentOf(editor.version), before);
    assert.deepEqual([store.document('d1')?.metadata, store.document('lamp')?.version], [{ number: 'one' }, 2]);
    assert.equal((await edit({ kind: 'delete', docid: 'lamp' })).seq, 3);
    assert.deepEqual(contentOf(editor.version), before);
  });

  it('can be tried without being done', async () => {
    const { store, editor } = await world();
    const before = contentOf(editor.version);
    const outcome = await editor.edit({ operations: [add(lantern)], budget: 1, dryRun: true });
    assert.deepEqual([outcome.seq, outcome.accepted, outcome.figures.heldOut.count], [null, true, 2]);
    assert.deepEqual(outcome.documents, [{ docid: 'lantern', version: null }]);
    assert.deepEqual([contentOf(editor.version), store.has('lantern'), editor.edits()], [before, false, []]);
  });

  it('that costs old documents too much is tried smaller, then refused with its figures', async () => {
    const { store, editor } = await world();
    // Rows of a whole new document for each base one: whatever the canaries found is found no more.
    const operations = texts.map((text, i) => add({ docid: `c${i}`, title: `title ${i}`, text }));
    const free = await editor.edit({ operations, budget: 1, dryRun: true });
    const { before, after } = free.figures.canaries;
    assert.ok(before > after, 'this model and these documents were to show a loss');
    const solved: string[] = [];
    const onProgress = ({ message }: { message: string }): void => void solved.push(message);
    const refused = await editor.edit({ operations, budget: 0 }, { onProgress });
    assert.equal(solved.filter((message) => message === 'measuring').length, refused.accepted ? 2 : 3);
    if (refused.accepted) assert.ok(refused.figures.canaries.after >= before);
    else assert.deepEqual([refused.seq, store.has('c0'), editor.edits()], [null, false, []]);
  });

  it('that brings no document is done, whatever it costs, unless it is given a budget', async () => {
    const { editor } = await world();
    const twin = add({ docid: 'twin', title: 'title 0', text: texts[0] });
    const { budget } = await editor.edit({ operations: [twin], budget: 1 });
    assert.equal(budget, 1);
    const gone = { operations: [{ kind: 'delete', docid: 'd4' }], dryRun: true } as const;
    const free = await editor.edit(gone);
    assert.deepEqual([free.accepted, free.budget], [true, null]);
    const strict = await editor.edit({ ...gone, budget: 0 });
    const { before, after } = strict.figures.canaries;
    assert.deepEqual([strict.figures, strict.accepted, strict.budget], [free.figures, before - after <= 0, 0]);
    const renamed = await editor.edit({ operations: [{ kind: 'rename', docid: 'd1', to: 'e1' }] });
    assert.deepEqual([renamed.seq, renamed.budget], [2, null]);
    const dry = await editor.edit({ operations: [add(kettle)], dryRun: true });
    assert.ok(dry.budget! > 0.01 && dry.budget! <= 0.01 + 1 / 11);
    assert.equal((await editor.undo(1)).budget, null);
  });

  it('is listed with author, time and figures', async () => {
    const { editor, edit } = await world();
    const start = new Date().toISOString();
    const { figures, bytes } = await editor.edit({ operations: [add(lantern)], author: 'Ada', budget: 1 });
    await edit({ kind: 'rename', docid: 'lantern', to: 'lamp' });
    await edit({ kind: 'delete', docid: 'd0' });
    const [third, second, first] = editor.edits();
    assert.deepEqual([third.seq, second.seq, first.seq], [3, 2, 1]);
    assert.deepEqual([first.author, first.figures, first.bytes, second.author], ['Ada', figures, bytes, null]);
    assert.ok(first.at >= start && first.at <= new Date().toISOString() && first.seconds > 0);
    assert.deepEqual(second.operations, [{ kind: 'rename', docid: 'lantern', renamedTo: 'lamp' }]);
    assert.deepEqual(editor.edits({ docid: 'lamp' }), [second]);
    assert.deepEqual(editor.edits({ docid: 'lantern' }), [second, first]);
    assert.deepEqual(editor.edits({ before: 3, limit: 1 }), [second]);
  });

  it('is done once under one idempotency key, also after the store was opened anew', async () => {
    const made = editWorld(tempFolder());
    const first = await openEditor(made);
    opened.push(first.close);
    const request = { operations: [add(lantern)], idempotencyKey: 'k1', budget: 1, author: 'Ada' };
    const [outcome, again] = await Promise.all([first.editor.edit(request), first.editor.edit(request)]);
    assert.deepEqual(again, outcome);
    const undone = await first.editor.undo(1, { idempotencyKey: 'k2' });
    await first.close();
    const { editor, close } = await openEditor(made);
    opened.push(close);
    assert.deepEqual(await editor.edit({ ...request, author: 'Bob' }), outcome);
    assert.deepEqual(await editor.undo(1, { idempotencyKey: 'k2' }), undone);
    const reused = { name: 'IdempotencyKeyError', key: 'k1' };
    await assert.rejects(editor.edit({ ...request, operations: [add(kettle)] }), reused);
    await assert.rejects(editor.edit({ ...request, budget: 0.5 }), reused);
    await assert.rejects(editor.undo(2, { idempotencyKey: 'k1' }), reused);
    assert.equal(editor.edits().length, 2);
  });

  it('is refused where it makes no sense, and leaves nothing behind', async () => {
    const { store, editor, edit } = await world();
    await edit(add(lantern));
    const [before, documents] = [contentOf(editor.version), corpusOf(store)];
    const refusals: [Operation, object][] = [
      [add(lantern), { name: 'DocidTakenError', docid: 'lantern' }],
      [
        { kind: 'rename', docid: 'd1', to: 'lantern' },
        { name: 'DocidTakenError', docid: 'lantern' },
      ],
      [
        { kind: 'delete', docid: 'nobody' },
        { name: 'UnknownDocidError', docid: 'nobody' },
      ],
      [{ kind: 'change', docid: 'nobody', document: { title: 't' } }, { name: 'UnknownDocidError' }],
      [{ kind: 'rename', docid: 'nobody', to: 'x' }, { name: 'UnknownDocidError' }],
      [
        { kind: 'delete', docid: 'd1', expectedVersion: 2 },
        { name: 'VersionConflictError', docid: 'd1', expected: 2, actual: 1 },
      ],
      [{ kind: 'change', docid: 'd1', document: {}, expectedVersion: 0 }, { name: 'VersionConflictError' }],
      [{ kind: 'rename', docid: 'd1', to: 'x', expectedVersion: 7 }, { name: 'VersionConflictError' }],
      [add({ ...kettle, text: '—', title: '…' }), { name: 'NothingToIndexError', docid: 'kettle' }],
      [add({ ...kettle, text: '', title: '' }), { name: 'InvalidDocumentError', path: 'text' }],
      [{ kind: 'change', docid: 'd1', document: { text: '', title: '' } }, { name: 'InvalidDocumentError' }],
    ];
    for (const [operation, error] of refusals) await assert.rejects(edit(add(whistle), operation), error);
    assert.deepEqual([contentOf(editor.version), corpusOf(store), editor.edits().length], [before, documents, 1]);
    await edit({ kind: 'change', docid: 'd1', document: {}, expectedVersion: 1 });
    await assert.rejects(edit({ kind: 'delete', docid: 'd1', expectedVersion: 1 }), { name: 'VersionConflictError' });
  });

  it('can be stopped before it is committed', async () => {
    const { editor, store } = await world();
    const controller = new AbortController();
    const stop = (): void => controller.abort(new Error('enough'));
    const { signal } = controller;
    const operations = [add(lantern), add(kettle)];
    await assert.rejects(editor.edit({ operations, budget: 1 }, { signal, onProgress: stop }), /enough/);
    assert.deepEqual([store.has('lantern'), editor.edits()], [false, []]);
    assert.equal((await editor.edit({ operations, budget: 1 })).seq, 1);
  });

  it('that the disk has no room for changes nothing, and goes through once there is room', async () => {
    const { store, editor, edit } = await world();
    await edit(add(lantern));
    const before = contentOf(editor.version);
    store.database.pragma(`max_page_count = ${store.database.pragma('page_count', { simple: true }) as number}`);
    await assert.rejects(edit(add(kettle), add(whistle)), { name: 'StoreFullError', path: store.database.name });
    assert.deepEqual([contentOf(editor.version), store.has('kettle'), editor.edits().length], [before, false, 1]);
    store.database.pragma('max_page_count = 1000000');
    assert.equal((await edit(add(kettle), add(whistle))).seq, 2);
    assert.deepEqual(editor.version.docids.slice(10), ['lantern', 'kettle', 'whistle']);
  });
});

describe('an undo', () => {
  it('gives back every byte, and can be undone', async () => {
    const { store, editor, edit } = await world();
    await edit(add(whistle));
    const [before, documents] = [contentOf(editor.version), corpusOf(store)];
    const batch: Operation[] = [
      add(lantern),
      { kind: 'change', docid: 'd2', document: { text: kettle.text, title: 'hot' }, queries: ['what boils water'] },
      { kind: 'change', docid: 'whistle', document: { text: 'a whistle calls the dog' } },
      { kind: 'delete', docid: 'd5' },
      { kind: 'rename', docid: 'd6', to: 'harbour' },
    ];
    await edit(...batch);
    const [edited, then] = [contentOf(editor.version), corpusOf(store)];
    assert.notDeepEqual(edited, before);
    await editor.undo(2);
    assert.deepEqual([contentOf(editor.version), corpusOf(store)], [before, documents]);
    await editor.undo(3);
    assert.deepEqual([contentOf(editor.version), corpusOf(store)], [edited, then]);
    assert.deepEqual(
      editor.edits().map(({ kind, undoes, undoneBy }) => [kind, undoes, undoneBy]),
      [
        ['undo', [3], null],
        ['undo', [2], 4],
        ['edit', [], null],
        ['edit', [], null],
      ],
    );
    await editor.undo(4);
    await edit(...batch); // anew: the very same entries
    assert.deepEqual(contentOf(editor.version), edited);
  });

  it('in the middle of the history leaves what the other edits make alone', async () => {
    const [one, other] = [await world(), await world()];
    for (const document of [lantern, kettle, whistle]) await one.edit(add(document));
    await one.edit({ kind: 'delete', docid: 'd1' });
    await one.editor.undo(2);
    for (const operation of [{ kind: 'delete', docid: 'd1' } as const, add(whistle), add(lantern)])
      await other.edit(operation);
    const rowsOf = ({ version: { model, docids } }: Editor): object =>
      Object.fromEntries(model.rows.map(({ row, values }): [string, Float32Array] => [docids[row]!, values]));
    assert.deepEqual(rowsOf(one.editor), rowsOf(other.editor));
    assert.deepEqual(one.editor.version.model.deltas, other.editor.version.model.deltas);
    assert.deepEqual(corpusOf(one.store), new Map([...corpusOf(other.store)].sort(byPlaceIn(one.store))));
  });

  it('is refused twice, of an edit that is not there, and where a later edit touched the same document', async () => {
    const { editor, edit } = await world();
    await edit(add(lantern));
    await edit({ kind: 'change', docid: 'lantern', document: { text: 'a lamp' } });
    await edit({ kind: 'rename', docid: 'lantern', to: 'lamp' });
    await assert.rejects(editor.undo(1), { name: 'UndoConflictError', seq: 1, by: 3, docid: 'lantern' });
    await editor.undo(3);
    await assert.rejects(editor.undo(3), { name: 'AlreadyUndoneError', seq: 3, by: 4 });
    await assert.rejects(editor.undo(1), { name: 'UndoConflictError', seq: 1, by: 2 });
    await assert.rejects(editor.undo(9), { name: 'UnknownEditError', seq: 9 });
    await editor.undo(2); // 3 and 4 cancel each other
    await editor.undo(1);
    assert.deepEqual([editor.version.docids.length, editor.version.model.deltas], [10, []]);
  });

  it('gives a renamed document its docid back though another one had it meanwhile', async () => {
    const { store, editor, edit } = await world();
    await edit({ kind: 'rename', docid: 'd0', to: 'river' });
    await edit(add({ ...kettle, docid: 'd0' }));
    assert.ok(store.document('d0')!.version > 1, 'a version of d0 comes twice');
    await assert.rejects(editor.undo(1), { name: 'UndoConflictError', by: 2, docid: 'd0' });
    await editor.undo(2);
    await editor.undo(1);
    assert.equal(store.document('d0')?.text, texts[0]);
    assert.equal(editor.version.docids[0], 'd0');
  });
});

/** Documents come back where they were, so that their order is that of the store. */
const byPlaceIn = (store: Store) => {
  const places = new Map(store.liveDocids().map((docid, i) => [docid, i]));
  return ([a]: [string, object], [b]: [string, object]): number => places.get(a)! - places.get(b)!;
};

describe('a revert', () => {
  it('brings back every earlier state, byte by byte', async () => {
    const { store, editor, edit } = await world();
    const states = [[contentOf(editor.version), corpusOf(store)]];
    const steps: (() => Promise<EditOutcome>)[] = [
      () => edit(add(lantern), { kind: 'delete', docid: 'd7' }),
      () => edit({ kind: 'change', docid: 'lantern', document: { text: kettle.text } }),
      () => editor.undo(2),
      () => edit({ kind: 'rename', docid: 'd1', to: 'violin' }),
      () => editor.revert(1),
      () => editor.undo(5),
      () => edit({ kind: 'delete', docid: 'lantern' }),
    ];
    for (const step of steps) {
      await step();
      states.push([contentOf(editor.version), corpusOf(store)]);
    }
    assert.deepEqual(states[5], states[1]);
    assert.deepEqual(states[6], states[4]);
    for (const seq of [6, 2, 4, 0, 7, 3, 1, 5]) {
      await editor.revert(seq);
      assert.deepEqual([contentOf(editor.version), corpusOf(store)], states[seq], `after edit ${seq}`);
    }
    for (const to of [-1, 100, 1.5])
      await assert.rejects(editor.revert(to), { name: 'InvalidOperationError', path: 'revert' });
  });
});

describe('a document that is forgotten', () => {
  it('leaves no text in the files, and no way back', async () => {
    const { store, editor, edit, path } = await world();
    const secret = 'zyzzogeton';
    const said = (): boolean => [path, `${path}-wal`].some((file) => readFileSync(file).includes(secret));
    await edit(add({ ...lantern, text: `The ${secret} is a bug with a long nose.` }), add(kettle));
    await edit({ kind: 'change', docid: 'lantern', document: { text: `No ${secret} at all.` } });
    await edit({ kind: 'rename', docid: 'lantern', to: 'bug' });
    const key = { idempotencyKey: 'k', budget: 1 };
    const changed = [{ kind: 'change', docid: 'bug', document: { title: `A ${secret}` } }] as const;
    await editor.edit({ operations: changed, ...key });
    assert.ok(said());
    await edit({ kind: 'delete', docid: 'bug', forget: true });
    assert.ok(!said());
    for (const seq of [1, 2, 5]) await assert.rejects(editor.undo(seq), { name: 'ForgottenError' }, `edit ${seq}`);
    await assert.rejects(editor.revert(3), { name: 'ForgottenError', seq: 5, docid: 'bug' });
    await assert.rejects(editor.edit({ operations: changed, ...key }), /a document that was forgotten/);
    assert.deepEqual(editor.edits()[0].operations, [{ kind: 'delete', docid: 'bug', forget: true }]);
    assert.deepEqual(editor.version.docids.slice(10), [null, 'kettle']);
    await edit(add({ ...whistle, docid: 'bug' }));
    await editor.undo(6);
    assert.deepEqual([store.document('bug')?.state, store.document('bug')?.text], ['deleted', '']);
  });

  it('leaves the bank too, with the same bytes when the store is opened anew', async () => {
    const made = editWorld(tempFolder());
    const { store, editor, close } = await openEditor(made);
    const edit = (...operations: Operation[]): Promise<EditOutcome> => editor.edit({ operations, budget: 1 });
    opened.push(close);
    const about = (): unknown =>
      store.database.prepare(`SELECT count(*) FROM edit_bank WHERE base_row = 2 OR text = ?`).pluck().get(asked);
    const asked = `what about ${texts[2].split(' ').slice(0, 4).join(' ')}`;
    assert.ok(store.allQueries().some(({ text }) => text === asked));
    await edit(add(lantern), add(kettle));
    await edit({ kind: 'delete', docid: 'd2' });
    assert.notEqual(about(), 0);
    await edit({ kind: 'delete', docid: 'd2', forget: true }); // one that was deleted already
    assert.deepEqual([about(), store.allQueries().some(({ text }) => text === asked)], [0, false]);
    await assert.rejects(editor.undo(3), { name: 'ForgottenError', docid: 'd2' });
    await assert.rejects(editor.undo(2), { name: 'ForgottenError', docid: 'd2' });
    await edit(add(whistle));
    const before = contentOf(editor.version);
    await close();
    const again = await openEditor(made);
    opened.push(again.close);
    assert.deepEqual(contentOf(again.editor.version), before);
    await again.editor.edit({ operations: [{ kind: 'delete', docid: 'kettle' }], budget: 1 });
    await again.editor.undo(5);
    assert.deepEqual(contentOf(again.editor.version), before);
  });
});

describe('the log of a store', () => {
  it('gives the version without a model, and replayed the same rows and deltas', async () => {
    const { store, editor, edit, folder } = await world();
    await edit(add(lantern), { kind: 'delete', docid: 'd5' });
    await edit(add(kettle));
    await edit({ kind: 'change', docid: 'd8', document: { text: whistle.text } });
    await editor.undo(2);
    const version = await modelVersion(folder.dir);
    const stored = readPublished(store, { version, base: versionBase(folder) });
    assert.deepEqual(stored, editor.version);

    // A new store with the same base, into which the entries in force are edited in another order.
    const copy = editWorld(tempFolder());
    const { editor: replayed, close } = await openEditor({ ...copy, folder });
    opened.push(close);
    const again = (...operations: Operation[]) => replayed.edit({ operations, budget: 1 });
    await again({ kind: 'change', docid: 'd8', document: { text: whistle.text } }, add(lantern));
    await again({ kind: 'delete', docid: 'd5' });
    const byDocid = ({ model, docids }: typeof stored): object =>
      Object.fromEntries(model.rows.map(({ row, values }): [string, Float32Array] => [docids[row]!, values]));
    assert.deepEqual(byDocid(replayed.version), byDocid(stored));
    assert.deepEqual(replayed.version.model.deltas, stored.model.deltas);
  });

  it('is refused by another model, other settings and other stages', async () => {
    const made = editWorld(tempFolder());
    const { editor, close } = await openEditor(made);
    opened.push(close);
    await editor.edit({ operations: [add(lantern)], budget: 1 });
    await close();
    const store = openStore(made.path);
    opened.push(async () => store.close());
    const other = join(made.dir, 'other');
    cpSync(made.modelDir, other, { recursive: true });
    const file = join(other, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...config, layer_norm_epsilon: 1e-5 }));
    const open = (folder: string, settings = fewQueries) =>
      Editor.open({ store, folder: readModelFolder(folder), settings });
    await assert.rejects(open(other), { name: 'ForeignEditsError', what: 'model' });
    await assert.rejects(open(made.modelDir, presets.rows), { name: 'ForeignEditsError', what: 'settings' });
    const stages = join(made.modelDir, 'genir.json');
    const genir = readFileSync(stages, 'utf8');
    writeFileSync(stages, genir.replace('"from": 1,\n      "to": 2', '"from": 0,\n      "to": 1'));
    await assert.rejects(open(made.modelDir), { name: 'ForeignEditsError', what: 'layers' });
    writeFileSync(stages, genir);
    const again = await Editor.open({ store, folder: readModelFolder(made.modelDir) }); // with those of the log
    assert.equal(again.version.model.editSeq, 1);
    await again.close();
  });

  it('keeps settings that JSON has no word for', async () => {
    const made = editWorld(tempFolder());
    const settings = { ...presets.incdsi, queries: fewQueries.queries, bank: fewQueries.bank };
    const { editor, close } = await openEditor(made, settings);
    opened.push(close);
    await editor.edit({ operations: [add(lantern)], budget: 1 });
    await close();
    const again = await openEditor(made, settings);
    opened.push(again.close);
    await again.editor.edit({ operations: [add(kettle)], budget: 1 });
  });

  it('needs a model that was analysed', async () => {
    const dir = tempFolder();
    const store = openStore(join(dir, 'store.db'));
    opened.push(async () => store.close());
    const folder = readModelFolder(writeTinyModel(join(dir, 'model')));
    await assert.rejects(Editor.open({ store, folder }), { name: 'NoInteractionStageError', dir: folder.dir });
    assert.equal(store.readMeta('editing.base'), undefined);
  });

  it('of another process’s making is not overwritten', async () => {
    const { editor, edit, path, folder } = await world();
    await edit(add(lantern));
    const other = await openEditor({ ...editWorld(tempFolder()), path, folder });
    opened.push(other.close);
    await other.editor.edit({ operations: [add(kettle)], budget: 1 });
    await assert.rejects(edit(add(whistle)), { name: 'ForeignEditError' });
    assert.deepEqual(editor.edits().length, 2);
  });
});

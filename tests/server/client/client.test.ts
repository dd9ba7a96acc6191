/** Every method of the client against a real server. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { PalimpsestClient, PalimpsestError, type NewDocument, type Task } from '../../../server/client/index.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey, type TestServer } from '../../support/server.ts';

let server: TestServer;
let client: PalimpsestClient;
before(async () => {
  server = await startEditServer();
  client = new PalimpsestClient({ url: `${server.url}/`, key: adminKey });
});

const document = (docid: string): NewDocument => ({ docid, text: `The ${docid} is a thing of its own.` });
const anyCost = { budget: 1 };

/** The refusal of a call, which must be one. */
async function refusal(call: Promise<unknown>): Promise<PalimpsestError> {
  const error = await call.then(
    () => assert.fail('expected a refusal, got an answer'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PalimpsestError, String(error));
  return error;
}

describe('searching', () => {
  it('answers one query, and several in order', async () => {
    const one = await client.retrieve('a kettle boils', { k: 3, includeDocument: true });
    assert.deepEqual([one.query.text, one.candidates.map(({ rank }) => rank)], ['a kettle boils', [1, 2, 3]]);
    assert.equal(one.candidates[0].document?.docid, one.candidates[0].docid);
    const { results } = await client.retrieve(['a kettle', 'the stars'], {
      mode: 'bm25',
      filter: { number: { lt: 5 } },
    });
    assert.deepEqual(
      results.map(({ query }) => query.text),
      ['a kettle', 'the stars'],
    );
  });

  it('explains the first candidates, or one document wherever it ranks', async () => {
    const [first] = await client.explain('the stars at night', { k: 1 });
    assert.equal(first.explanation?.docid, first.docid);
    const [one, ...others] = await client.explain('the stars at night', { docid: 'd4' });
    assert.deepEqual([one.docid, one.explanation?.docid, others], ['d4', 'd4', []]);
  });
});

describe('documents', () => {
  it('are listed by page, words and filter', async () => {
    const page = await client.documents.list({ offset: 2, limit: 3 });
    assert.deepEqual([page.documents.map(({ docid }) => docid), page.total], [['d2', 'd3', 'd4'], 10]);
    const filtered = await client.documents.list({ filter: { number: { gte: 8 } } });
    assert.deepEqual(
      filtered.documents.map(({ docid }) => docid),
      ['d8', 'd9'],
    );
    assert.ok((await client.documents.list({ q: page.documents[0].text })).total > 0);
  });

  it('are added, changed, renamed, deleted, several at once', async () => {
    const { documents } = client;
    const tried = await documents.add(document('teapot'), { ...anyCost, dryRun: true });
    assert.equal(tried.seq, null);
    const added = await documents.add({ ...document('teapot'), metadata: { a: 1 } }, anyCost);
    assert.deepEqual(added.documents, [{ docid: 'teapot', version: 1 }]);
    const { etag, metadata } = await documents.get('teapot');
    assert.deepEqual(metadata, { a: 1 });
    const changed = await documents.put('teapot', { text: 'A pot for tea.' }, { ...anyCost, ifMatch: etag });
    assert.deepEqual(changed.documents, [{ docid: 'teapot', version: 2 }]);
    const late = await refusal(documents.put('teapot', { text: 'Another.' }, { ...anyCost, ifMatch: etag }));
    assert.deepEqual([late.status, late.code], [412, 'precondition_failed']);
    await documents.rename('teapot', 'tea pot/ü', anyCost);
    assert.equal((await documents.get('tea pot/ü')).text, 'A pot for tea.');
    await documents.delete('tea pot/ü', { ...anyCost, forget: true });
    assert.equal((await refusal(documents.get('tea pot/ü'))).code, 'document_not_found');
    const both = await documents.edit(
      [
        { kind: 'add', document: document('ladle') },
        { kind: 'change', docid: 'd1', document: { title: 'Another title' } },
      ],
      anyCost,
    );
    assert.deepEqual(
      both.documents.map(({ docid }) => docid),
      ['ladle', 'd1'],
    );
  });

  it('are edited once under one idempotency key', async () => {
    const options = { ...anyCost, idempotencyKey: 'only-once' };
    const first = await client.documents.add(document('whisk'), options);
    assert.deepEqual(await client.documents.add(document('whisk'), options), first);
    assert.equal((await client.edits.list()).last, first.seq);
  });

  it('take a budget of any number of digits', async () => {
    const { budget } = await client.documents.add(document('sieve'), { budget: 0.1 + 0.2, dryRun: true });
    assert.equal(budget, 0.3);
    assert.equal((await client.documents.add(document('sieve'), { budget: 1e-9, dryRun: true })).budget, 0);
  });
});

describe('the history', () => {
  it('is listed, and edits are taken back', async () => {
    const { seq } = await client.documents.add(document('spoon'), anyCost);
    const edit = await client.edits.get(seq!);
    assert.deepEqual([edit.author, edit.operations], ['environment', [{ kind: 'add', docid: 'spoon' }]]);
    const { edits, last } = await client.edits.list({ docid: 'spoon' });
    assert.deepEqual([edits, last], [[edit], seq]);
    const undone = await client.edits.undo(seq!);
    assert.equal((await client.edits.get(seq!)).undoneBy, undone.seq);
    assert.equal((await refusal(client.edits.undo(seq!))).code, 'not_undoable');
    const reverted = await client.edits.revert(seq!);
    assert.equal((await client.edits.get(undone.seq!)).undoneBy, reverted.seq);
    assert.equal((await client.documents.get('spoon')).docid, 'spoon');
  });

  it('is evaluated', async () => {
    const { split, groups } = await client.evaluate({ queries: [{ query: 'a kettle', relevant: ['d0'] }] });
    assert.deepEqual([split, groups.kept?.queries], [null, 1]);
  });
});

describe('tasks', () => {
  it('are waited for with their progress, listed and cancelled', async () => {
    const seen: Task[] = [];
    const made = await client.documents.add(document('jug'), { ...anyCost, onProgress: (task) => seen.push(task) });
    assert.ok(made.seq !== null);
    const snapshot = await client.snapshots.create({ onProgress: (task) => seen.push(task) });
    assert.equal(seen.at(-1)?.state, 'succeeded');
    assert.deepEqual(seen.at(-1)?.result, snapshot);
    const { tasks } = await client.tasks.list({ kind: 'snapshot' });
    assert.deepEqual([tasks[0].id, (await client.tasks.get(tasks[0].id)).result], [seen.at(-1)?.id, snapshot]);
    assert.equal((await refusal(client.tasks.cancel(tasks[0].id))).code, 'task_ended');
    assert.equal((await refusal(client.tasks.get(999))).code, 'task_not_found');
  });

  it('that come to no good end throw what they say', async () => {
    const { tasks } = server;
    const failed = tasks.start('evaluation', {}, async () => Promise.reject(new Error('no reason')));
    const { status, code, message } = await refusal(client.tasks.result(failed.id));
    assert.deepEqual([status, code, message], [0, 'internal_error', 'no reason']);
    const forever = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const running = tasks.start('evaluation', {}, forever);
    const waiting = refusal(client.tasks.result(running.id));
    await client.tasks.cancel(running.id);
    assert.equal((await waiting).code, 'cancelled');
  });

  it('are left alone when the caller stops waiting', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiting = client.evaluate({}, { signal: stop.signal, onProgress: () => stop.abort(reason) });
    await assert.rejects(waiting, reason);
    const [{ id }] = (await client.tasks.list({ kind: 'evaluation' })).tasks;
    assert.equal((await client.tasks.wait(id)).state, 'succeeded');
  });
});

describe('the data folder', () => {
  it('is exported, and its edits folded', async () => {
    const { exports } = client;
    const made = await exports.create('plain');
    assert.deepEqual([made.name, await exports.list()], ['plain', [made]]);
    const bytes = await new Response(await exports.file('plain', 'config.json')).arrayBuffer();
    assert.equal(bytes.byteLength, made.files.find(({ path }) => path === 'config.json')?.bytes);
    assert.equal((await refusal(exports.file('plain', 'nothing'))).code, 'export_not_found');
    await exports.delete('plain');
    assert.deepEqual(await exports.list(), []);
    await client.compact();
    assert.equal((await refusal(client.compact())).code, 'nothing_to_fold');
    const taken = await client.snapshots.create({ keep: 1 });
    assert.deepEqual(await client.snapshots.list(), [taken]);
    await client.snapshots.delete(taken.name);
    assert.deepEqual(await client.snapshots.list(), []);
  });
});

describe('keys', () => {
  it('are made, rotated and revoked, and the audit list tells it', async () => {
    const { keys } = client;
    const made = await keys.create({ name: 'writer', scope: 'edit', perMinute: 1000 });
    const writer = new PalimpsestClient({ url: server.url, key: made.secret });
    const forbidden = await refusal(writer.keys.list());
    assert.deepEqual([forbidden.status, forbidden.code], [403, 'insufficient_scope']);
    assert.deepEqual([(await keys.get('writer')).scope, (await keys.list()).length], ['edit', 1]);
    const turned = await keys.rotate('writer', 0);
    assert.notEqual(turned.secret, made.secret);
    assert.equal((await refusal(writer.edits.list())).code, 'unauthorized');
    assert.ok((await keys.rotate('writer')).previousUntil);
    await keys.revoke('writer');
    assert.equal((await refusal(keys.get('writer'))).code, 'key_not_found');
    const actions = (await client.audit({ limit: 4 })).map(({ action }) => action);
    assert.deepEqual(actions, ['key.revoke', 'key.rotate', 'key.rotate', 'key.create']);
  });
});

describe('the server', () => {
  it('says what it is and how it does', async () => {
    assert.equal((await client.info()).name, 'palimpsest');
    assert.equal((await client.ready()).status, 'ready');
    assert.match(await client.metrics(), /^palimpsest_ready 1$/m);
    assert.equal((await refusal(client.analysis())).code, 'analysis_not_found');
  });

  it('says that it is not ready', async () => {
    server.state.phase = 'closing';
    try {
      assert.equal((await client.ready()).status, 'closing');
    } finally {
      server.state.phase = 'ready';
    }
  });
});

describe('a refusal', () => {
  it('has the fields of the problem', async () => {
    const error = await refusal(client.retrieve('a', { k: 0 }));
    assert.deepEqual(
      [error.status, error.code, error.title, error.instance, error.type],
      [400, 'invalid_request', 'The request does not fit', '/retrieve', '/docs#invalid_request'],
    );
    assert.deepEqual(
      error.errors.map(({ path }) => path),
      ['k'],
    );
    assert.equal(error.message, error.detail);
    assert.match(error.requestId!, /^[\w-]+$/);
    assert.equal(error.figures, undefined);
  });

  it('of an edit brings its figures', async () => {
    const measured = { count: 200, before: 0.9, after: 0.85 };
    const figures = { canaries: measured, heldOut: measured, drift: { before: 0, after: 0.1 } };
    const { url } = server;
    // The model of these tests is random: nothing that is done to it makes it worse.
    const refuse = async (): Promise<Response> =>
      Response.json({ status: 422, code: 'edit_refused', detail: 'Too much harm.', figures }, { status: 422 });
    const error = await refusal(new PalimpsestClient({ url, fetch: refuse }).documents.add(document('cup')));
    assert.deepEqual([error.code, error.figures], ['edit_refused', figures]);
  });
});

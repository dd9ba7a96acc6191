/** Both streams, over an editor of a tiny random model: what is in one store is in all that follow, to the byte. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createRng } from '../../../corpus/random.ts';
import { openStore, type Store } from '../../../corpus/store.ts';
import { versionBase } from '../../../editing/edited-version.ts';
import { Editor } from '../../../editing/editor.ts';
import type { EditRequest } from '../../../editing/operations.ts';
import { newestVersion } from '../../../editing/published-version.ts';
import { openStream } from '../../../editing/stream/database-url.ts';
import { decodeChanges, encodeChanges } from '../../../editing/stream/changes-codec.ts';
import {
  ForeignStreamError,
  makeRecord,
  StreamConflictError,
  StreamUnavailableError,
  type EditStream,
  type StreamRecord,
} from '../../../editing/stream/edit-stream.ts';
import { checkpointOf, enterStream, partsOf, SharedStore } from '../../../editing/stream/shared-store.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { CorpusModel } from '../../support/edit-stream.ts';
import { contentOf, editWorld, fewQueries, type EditWorld } from '../../support/edit-world.ts';
import { noPostgres, startPostgres, type Postgres } from '../../support/postgres.ts';
import { sharedTables } from '../../support/shared-tables.ts';

let postgres: Promise<Postgres> | undefined;
const databases: Record<string, { skip: string | undefined; url: () => Promise<string> }> = {
  SQLite: { skip: undefined, url: async () => pathToFileURL(join(tempFolder(), 'stream.sqlite')).href },
  PostgreSQL: { skip: noPostgres, url: async () => (await (postgres ??= startPostgres())).database() },
};

interface Shared {
  readonly world: EditWorld;
  readonly shared: SharedStore;
  readonly editor: Editor;
  /** A store with nothing in it, which is to follow. */
  readonly follower: () => Promise<SharedStore>;
  /** An editor on the same store, as a process that starts anew opens it. */
  readonly reopen: () => Promise<Editor>;
  readonly close: () => Promise<void>;
}

async function begin(url: string): Promise<Shared> {
  const world = editWorld(tempFolder());
  const open: { stores: Store[]; streams: EditStream[] } = { stores: [], streams: [] };
  const connect = async (path: string): Promise<SharedStore> => {
    const [store, stream] = [openStore(path), await openStream(url)];
    open.stores.push(store);
    open.streams.push(stream);
    return new SharedStore(store, stream);
  };
  const shared = await connect(world.path);
  const { store, stream } = shared;
  const identity = { id: 'a stream', model: 'a model', corpus: '{}' };
  assert.equal(await stream.identity(), undefined);
  enterStream(store, identity, 0);
  await stream.create(identity, checkpointOf(store), partsOf(store));
  await stream.hold(shared.holder);
  const editors: Editor[] = [];
  const reopen = async (): Promise<Editor> => {
    const editor = await Editor.open({ store, shared, folder: world.folder, settings: fewQueries });
    editors.push(editor);
    return editor;
  };
  return {
    ...{ world, shared, reopen, editor: await reopen() },
    async follower() {
      const path = join(tempFolder(), 'follower.sqlite');
      openStore(path).close();
      const follower = await connect(path);
      enterStream(follower.store, (await follower.stream.identity())!);
      return follower;
    },
    async close() {
      for (const one of editors) await one.close();
      for (const one of open.streams) await one.close();
      for (const one of open.stores) one.close();
    },
  };
}

const addition = (docid: string, text: string): EditRequest => ({
  operations: [{ kind: 'add', document: { docid, text } }],
  budget: 1,
  idempotencyKey: docid,
});

for (const [name, { skip, url }] of Object.entries(databases))
  describe(`a stream of edits in ${name}`, { skip }, () => {
    it('makes every store that follows the same to the byte, version and texts found included', async () => {
      const { world, shared, editor, follower, close } = await begin(await url());
      const early = await follower();
      const rng = createRng(3);
      const corpus = new CorpusModel(
        new Map([...shared.store.eachDocument()].map(({ docid, text }): [string, string] => [docid, text])),
      );
      for (let i = 0; i < 12; i++) {
        const command = corpus.draw(rng, i);
        if (!corpus.after(command)) continue;
        const requestId = `request ${i}`;
        if (command.kind === 'edit') await editor.edit({ operations: command.operations, budget: 1, requestId });
        else await editor.undo(command.seq, { requestId });
        corpus.apply(command);
        if (i % 3) continue;
        await early.catchUp();
        assert.deepEqual(sharedTables(early.store), sharedTables(shared.store));
      }
      await early.catchUp();
      const late = await follower();
      await late.catchUp();
      const base = versionBase(world.folder);
      for (const { store, place } of [early, late]) {
        assert.deepEqual(sharedTables(store), sharedTables(shared.store));
        assert.deepEqual({ ...place, holder: '' }, { ...shared.place, holder: '' });
        assert.deepEqual(contentOf(newestVersion(store, base)), contentOf(editor.version));
        assert.deepEqual(store.database.pragma('foreign_key_check'), []);
        store.database.exec(`INSERT INTO documents_fts (documents_fts) VALUES ('integrity-check')`);
        for (const text of ['river', 'the old stone', 'what about'])
          assert.deepEqual(store.searchBm25(text, 10), shared.store.searchBm25(text, 10));
      }
      await close();
    });

    it('has all of an edit or nothing where its writer dies, or the answer is lost, between the two commits', async () => {
      const { shared, editor, follower, reopen, close } = await begin(await url());
      const { stream } = shared;
      const append = stream.append.bind(stream);
      const before = sharedTables(shared.store);
      stream.append = async () => {
        throw new StreamUnavailableError('test', 'nothing');
      };
      await assert.rejects(editor.edit(addition('a', 'one')), StreamUnavailableError);
      assert.equal(await shared.catchUp(), false);
      assert.deepEqual(sharedTables(shared.store), before);
      stream.append = async (...args) => {
        await append(...args);
        throw new StreamUnavailableError('test', 'no answer');
      };
      await assert.rejects(editor.edit(addition('a', 'one')), StreamUnavailableError);
      assert.deepEqual(sharedTables(shared.store), before);
      stream.append = append;
      await assert.rejects(editor.edit(addition('b', 'two')), StreamConflictError);
      assert.equal(await shared.catchUp(), true);
      const next = await reopen();
      const again = await next.edit(addition('a', 'one'));
      assert.equal(again.seq, 1, 'it is the edit that was committed');
      assert.equal((await next.edit(addition('b', 'two'))).seq, 2);
      const other = await follower();
      await other.catchUp();
      assert.deepEqual(sharedTables(other.store), sharedTables(shared.store));
      await close();
    });

    it('takes records from one writer, each once', async () => {
      const { shared, editor, follower, close } = await begin(await url());
      const other = await follower();
      await other.catchUp();
      assert.equal((await other.stream.hold(other.holder)).id, shared.holder.id);
      await assert.rejects(
        other.commit(() => other.store.insert({ docid: 'x', text: 'x' }), { kind: 'edit' }),
        StreamConflictError,
      );
      await editor.edit(addition('a', 'one'));
      const [record] = (await shared.stream.after(0, 1)) as [StreamRecord];
      await shared.stream.append(record, shared.holder);
      const rival = makeRecord({ ...record, at: 'another time' }, record.changes);
      await assert.rejects(shared.stream.append(rival, shared.holder), StreamConflictError);
      assert.equal((await shared.stream.head()).position, shared.place.position);
      await shared.stream.release(shared.holder);
      assert.equal((await other.stream.hold(other.holder)).id, other.holder.id);
      await assert.rejects(editor.edit(addition('b', 'two')), StreamConflictError);
      await other.catchUp();
      await other.commit(() => other.store.insert({ docid: 'x', text: 'x' }), { kind: 'edit' });
      await shared.catchUp();
      assert.deepEqual(sharedTables(shared.store), sharedTables(other.store));
      await close();
    });

    it('refuses a store that is ahead, or went another way, and a record that is damaged', async () => {
      const { shared, editor, follower, close } = await begin(await url());
      const behind = await follower();
      await behind.catchUp();
      await editor.edit(addition('a', 'one'));
      const head = await behind.stream.head();
      const [record, ...more] = await behind.missing(head);
      const last = more.at(-1) ?? record;
      const damaged = {
        ...last,
        changes: encodeChanges([...decodeChanges(last.changes), ...decodeChanges(last.changes)]),
      };
      for (const one of [record, ...more].slice(0, -1)) behind.follow(one);
      const before = sharedTables(behind.store);
      assert.throws(() => behind.follow(damaged), ForeignStreamError);
      assert.throws(
        () => behind.follow(makeRecord({ ...last, previous: 'another' }, last.changes)),
        ForeignStreamError,
      );
      assert.throws(() => behind.follow({ ...last, position: last.position + 1 }), StreamConflictError);
      assert.deepEqual(sharedTables(behind.store), before);
      assert.throws(() => shared.check({ ...head, position: head.position - 1 }, shared.place), ForeignStreamError);
      assert.throws(() => shared.check({ ...head, hash: 'another' }, shared.place), ForeignStreamError);
      assert.throws(() => shared.check({ ...head, id: 'another' }, shared.place), ForeignStreamError);
      await close();
    });

    it('forgets what is to be forgotten, and goes on from there', async (t) => {
      const { shared, editor, follower, close } = await begin(await url());
      const word = 'xylographical';
      await editor.edit(addition('a', `a ${word} sentence about the old stone`));
      await editor.edit(addition('b', 'two'));
      const early = await follower();
      await early.catchUp();
      assert.equal(early.store.searchBm25(word, 10).length, 1);
      await editor.edit({ operations: [{ kind: 'delete', docid: 'a', forget: true }] });
      assert.equal(await shared.tidy(), false, 'others may still follow by records');
      await early.catchUp();
      assert.deepEqual(sharedTables(early.store), sharedTables(shared.store));
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 120_000 });
      assert.equal(await shared.tidy(), true);
      t.mock.timers.reset();
      assert.deepEqual(await shared.stream.after(0, 1 << 30), []);
      const { parts } = await shared.stream.checkpoint();
      for await (const part of parts) assert.ok(!Buffer.from(part).includes(word));
      await editor.edit(addition('c', 'three'));
      const late = await follower();
      for (const one of [early, late]) {
        await one.catchUp();
        assert.deepEqual(sharedTables(one.store), sharedTables(shared.store));
        assert.deepEqual(one.store.searchBm25(word, 10), []);
      }
      await close();
    });
  });

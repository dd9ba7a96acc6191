/** Both streams, over an editor of a tiny random model: what is in one store is in all that follow, to the byte. */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createRng } from '../../../corpus/random.ts';
import { openStore, type Store } from '../../../corpus/store.ts';
import { EditLog } from '../../../editing/edit-log.ts';
import { versionBase } from '../../../editing/edited-version.ts';
import { Editor } from '../../../editing/editor.ts';
import { newestVersion } from '../../../editing/published-version.ts';
import { openStream } from '../../../editing/stream/database-url.ts';
import { ForeignStreamError, StreamConflictError, type EditStream } from '../../../editing/stream/edit-stream.ts';
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
  readonly url: string;
  readonly world: EditWorld;
  readonly shared: SharedStore;
  readonly editor: Editor;
  /** A copy of the store before all edits, which follows. */
  follower(): Promise<SharedStore>;
  close(): Promise<void>;
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
  const editor = await Editor.open({ store, shared, folder: world.folder, settings: fewQueries });
  return {
    ...{ url, world, shared, editor },
    async follower() {
      const path = join(tempFolder(), 'follower.sqlite');
      openStore(path).close();
      const follower = await connect(path);
      enterStream(follower.store, (await follower.stream.identity())!);
      return follower;
    },
    async close() {
      await editor.close();
      for (const one of open.streams) await one.close();
      for (const one of open.stores) one.close();
    },
  };
}

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
        if (command.kind === 'edit') await editor.edit({ operations: command.operations, budget: 1 });
        else await editor.undo(command.seq);
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
  });

/** Searches while edits go on: every answer is of exactly one version of model and documents. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import type { Document } from '../../corpus/documents.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { PoolError } from '../../models/pool.ts';
import { createRng } from '../../corpus/random.ts';
import type { NamedVersion } from '../../editing/merge.ts';
import { VersionMismatchError } from '../../server/index-version.ts';
import { modes } from '../../server/index-service.ts';
import { searchBesideEdits, searchBesideRealEdits } from '../support/search-beside-edits.ts';
import type { DocumentsResponse, RetrieveResponse } from '../../server/schemas.ts';
import { get, inModel, post, startTestServer, type TestServer } from '../support/server.ts';

/** Documents in the model that go and come: of edit n the n-th modulo 10 is away. */
const awayIn = (seq: number): string | undefined => (seq === 0 ? undefined : inModel[seq % inModel.length]);
/** Edit n adds a document of its own and takes away that of the edit before, whose row it has. */
const addedIn = (seq: number): string | undefined => (seq === 0 ? undefined : `n${seq}`);
/** All documents say which edit they are of. */
const textOf = (seq: number): string => `the river of edit number${seq}`;

/** Writes edit `seq` as an editor does: in one transaction, over a connection of its own. */
function commit(store: Store, seq: number): void {
  store.transaction(() => {
    for (const docid of [awayIn(seq - 1), addedIn(seq)])
      if (docid !== undefined) store.insert({ docid, text: textOf(seq), metadata: { seq } });
    for (const docid of [awayIn(seq), addedIn(seq - 1)]) if (docid !== undefined) store.delete(docid);
    for (const docid of store.liveDocids()) store.update(docid, { text: textOf(seq), metadata: { seq } });
    store.database
      .prepare(`INSERT INTO edits (seq, kind, at, operations, outcome) VALUES (?, 'edit', '', '[]', '{}')`)
      .run(seq);
  });
}

function versionOf(seq: number): NamedVersion {
  const docids = [...inModel, addedIn(seq) ?? null];
  const live = Uint8Array.from(docids, (docid) => Number(docid !== null && docid !== awayIn(seq)));
  const rng = createRng(seq);
  const values = Float32Array.from({ length: 32 }, () => rng.next() - 0.5);
  return { model: { editSeq: seq, live, rows: [{ row: inModel.length, values }], deltas: [] }, docids };
}

/** What the model can find after edit `seq`. */
const generable = (seq: number): string[] =>
  [...inModel, addedIn(seq)].filter((docid) => docid !== undefined && docid !== awayIn(seq)).sort() as string[];
/** What a corpus with d10 and d11, which no row stands for, has beside. */
const findable = (seq: number): string[] => [...generable(seq), 'd10', 'd11'].sort();

interface Editing {
  readonly server: TestServer;
  readonly edit: (seq: number) => Promise<void>;
}

async function editing(workers = 1): Promise<Editing> {
  const server = await startTestServer({ workers });
  const writer = openStore(server.index.store.database.name);
  const close = server.close.bind(server);
  server.close = () => close().finally(() => writer.close());
  const edit = (seq: number): Promise<void> =>
    server.index.edit(async () => {
      commit(writer, seq);
      await nextTurn(); // searches come between the documents and the model
      return { result: undefined, version: versionOf(seq) };
    });
  return { server, edit };
}

const docidsOf = (candidates: readonly { docid: string }[]): string[] => candidates.map(({ docid }) => docid).sort();

describe('a search', () => {
  it('sees documents and model of before an edit until it is published, then those of after it', async () => {
    const { server } = await editing();
    const { index } = server;
    const writer = openStore(index.store.database.name);
    const ask = async (mode: string) =>
      (await post<RetrieveResponse>(`${server.url}/retrieve`, { query: 'river', k: 100, mode, includeDocument: true }))
        .body;
    await index.edit(async () => {
      commit(writer, 1);
      for (const mode of ['genir', 'hybrid']) {
        const { editSeq, candidates } = await ask(mode);
        assert.equal(editSeq, 0);
        assert.deepEqual(
          candidates.filter(({ docid }) => inModel.includes(docid)).map(({ document }) => document!.version),
          inModel.map(() => 1),
        );
      }
      const { editSeq, candidates } = await ask('bm25');
      assert.deepEqual([editSeq, docidsOf(candidates)], [0, ['d0', 'd11']]);
      assert.equal((await get(`${server.url}/documents/n1`)).status, 404);
      assert.equal((await get<DocumentsResponse>(`${server.url}/documents`)).body.total, 12);
      return { result: undefined, version: versionOf(1) };
    });
    for (const mode of modes) {
      const { editSeq, candidates } = await ask(mode);
      assert.equal(editSeq, 1);
      assert.deepEqual(docidsOf(candidates), mode === 'genir' ? generable(1) : findable(1));
      for (const { document } of candidates) assert.equal(document!.text, textOf(1));
    }
    assert.equal((await get<Document>(`${server.url}/documents/n1`)).body.text, textOf(1));
    assert.equal((await get(`${server.url}/documents/${awayIn(1)}`)).status, 404);
    writer.close();
  });

  it('goes on as before where an edit fails, or changes nothing', async () => {
    const { server, edit } = await editing();
    const { index } = server;
    await assert.rejects(
      index.edit(async () => {
        throw new RangeError('nothing was written');
      }),
      RangeError,
    );
    assert.equal(await index.edit(async () => ({ result: 'nothing', version: undefined })), 'nothing');
    assert.equal(index.editSeq, 0);
    await edit(1);
    assert.equal(index.editSeq, 1);
  });

  it('stays with the old version where no thread takes the new one, and with its documents', async () => {
    const { server, edit } = await editing();
    const { index } = server;
    const wrong = { ...versionOf(1), model: { ...versionOf(1).model, rows: [] } };
    const writer = openStore(index.store.database.name);
    await assert.rejects(
      index.edit(async () => {
        commit(writer, 1);
        return { result: undefined, version: wrong };
      }),
      PoolError,
    );
    const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, {
      query: 'a',
      k: 100,
      includeDocument: true,
    });
    assert.deepEqual([body.editSeq, docidsOf(body.candidates)], [0, [...inModel].sort()]);
    for (const { document } of body.candidates) assert.equal(document!.version, 1);
    await edit(2);
    assert.equal(index.editSeq, 2);
    writer.close();
  });

  it('refuses to begin an edit over documents of another one', async () => {
    const { server } = await editing();
    const writer = openStore(server.index.store.database.name);
    commit(writer, 1);
    await assert.rejects(
      server.index.edit(async () => ({ result: undefined, version: undefined })),
      VersionMismatchError,
    );
    writer.close();
  });
});

for (const workers of [1, 2])
  it(`searches beside a stream of versions answer from exactly one each, ${workers} at a time`, async () => {
    const { server, edit } = await editing(workers);
    await searchBesideEdits({
      server,
      seconds: 3,
      edit,
      expected: (seq, mode) => (mode === 'genir' ? generable(seq) : findable(seq)),
      check: ({ text }, seq) => assert.equal(text, textOf(seq)),
    });
  });

it('searches beside a stream of real edits answer from exactly one version each', () => searchBesideRealEdits(3));

/** `serve --rows hnsw`: a server that finds docid rows in graphs, beside one that looks at all. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import type { NamedVersion } from '../../editing/merge.ts';
import { DocidDecoder, type Retrieved } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import { manyRows, rowSearchOf } from '../../server/row-graphs.ts';
import type { InfoResponse, RetrieveBatchResponse } from '../../server/schemas.ts';
import { writePathModel } from '../support/path-server.ts';
import {
  get,
  post,
  startTestServer,
  tempFolder,
  writeCorpus,
  writeTinyModel,
  type TestServer,
} from '../support/server.ts';

type Lists = RetrieveBatchResponse['results'];

async function ask(server: TestServer, queries: readonly string[], asked: object = {}): Promise<RetrieveBatchResponse> {
  const { status, body } = await post<RetrieveBatchResponse>(`${server.url}/retrieve`, { queries, k: 10, ...asked });
  assert.equal(status, 200);
  return body;
}

/** Share of the documents of `exact` that `found` has too; what both have must have the same scores. */
function agreement(exact: Lists, found: Lists): number {
  const shares = exact.map(({ candidates }, q) => {
    const scores = new Map(found[q].candidates.map(({ docid, score }) => [docid, score!]));
    for (const { docid, score } of candidates)
      if (scores.has(docid)) assert.ok(Math.abs(scores.get(docid)! - score!) < 1e-3, `${docid}: ${score}`);
    return candidates.filter(({ docid }) => scores.has(docid)).length / candidates.length;
  });
  return shares.reduce((a, b) => a + b, 0) / shares.length;
}

describe('serve --rows hnsw', () => {
  it('answers as --rows exact does, with graphs that the next start keeps', async () => {
    const world = { modelDir: builtinModel, corpus: builtinCorpus };
    const exact = await startTestServer({ ...world, dataDir: join(tempFolder(), 'data'), rows: 'exact' });
    const dataDir = join(tempFolder(), 'data');
    let server = await startTestServer({ ...world, dataDir, rows: 'hnsw' });
    assert.ok(server.lines.some((line) => /^docid rows: building a graph, since there is none yet$/.test(line)));
    const rowsOf = async ({ url }: TestServer): Promise<string> =>
      (await get<InfoResponse>(`${url}/info`)).body.model.rows;
    assert.deepEqual([await rowsOf(exact), await rowsOf(server)], ['exact', 'hnsw']);

    const queries = exact.index.store.queries('dev').map(({ text }) => text).slice(0, 64); // prettier-ignore
    const category = (await get<InfoResponse>(`${exact.url}/info`)).body.corpus.categories[0];
    for (const asked of [{}, { mode: 'hybrid' }, { filter: { category } }, { deny: ['octopus'] }, { k: 50 }]) {
      const [all, found] = [await ask(exact, queries, asked), await ask(server, queries, asked)];
      const same = agreement(all.results, found.results);
      assert.ok(same >= 0.98, `${same} with ${JSON.stringify(asked)}`);
    }
    const { results } = await ask(server, queries);
    await server.close();
    server = await startTestServer({ ...world, dataDir, rows: 'hnsw' });
    assert.deepEqual(server.lines.filter((line) => /docid rows/.test(line)), []); // prettier-ignore
    assert.deepEqual((await ask(server, queries)).results, results);
    assert.deepEqual(readdirSync(join(dataDir, 'row-graphs')), [server.index.model.version]);
    await server.close();
    await exact.close();
  });

  it('answers every search from one version, while versions come', async () => {
    const docids = Array.from({ length: 400 }, (_, i) => `d${i}`);
    const dir = tempFolder();
    const modelDir = writeTinyModel(join(dir, 'model'), docids);
    const content = docids.map((_id, i) => ({
      _id,
      title: '',
      text: `the river ${i}`,
      metadata: { category: '', number: i },
    }));
    const corpus = writeCorpus(join(dir, 'corpus'), content);
    const server = await startTestServer({ modelDir, corpus, dataDir: join(dir, 'data'), rows: 'hnsw', workers: 2 });
    const writer = openStore(server.index.store.database.name);
    const rng = createRng(7);
    const rows = new Map<number, Float32Array>();
    const live = new Uint8Array(docids.length).fill(1);
    const versions: NamedVersion[] = [{ model: { editSeq: 0, live: live.slice(), rows: [], deltas: [] }, docids }];
    const queries = ['the river', 'a violin', 'comet and harbour', 'number'];
    const seen: RetrieveBatchResponse[] = [];
    let editing = true;
    const readers = [0, 1, 2].map(async () => {
      while (editing) seen.push(await ask(server, queries));
    });
    for (let seq = 1; seq <= 30; seq++) {
      for (let i = 0; i < 5; i++) {
        live[rng.int(docids.length)] ^= 1;
        rows.set(
          rng.int(docids.length),
          Float32Array.from({ length: 32 }, () => 2 * (rng.next() - 0.5)),
        );
        if (i === 0 && seq % 3 === 0) rows.delete([...rows.keys()][0]);
      }
      const changed = [...rows].map(([row, values]) => ({ row, values }));
      const version = { model: { editSeq: seq, live: live.slice(), rows: changed, deltas: [] }, docids };
      versions.push(version);
      await server.index.edit(async () => {
        const insert = `INSERT INTO edits (seq, kind, at, operations, outcome) VALUES (?, 'edit', '', '[]', '{}')`;
        writer.database.prepare(insert).run(seq);
        return { result: undefined, version };
      });
    }
    seen.push(await ask(server, queries));
    editing = false;
    await Promise.all(readers);
    writer.close();
    assert.ok(new Set(seen.map(({ editSeq }) => editSeq)).size > 3);

    const decoder = await DocidDecoder.open(readModelFolder(modelDir));
    const lists = ({ rows: found, scores }: Retrieved) => ({
      candidates: Array.from(found, (row, i) => ({ docid: docids[row], rank: i + 1, score: scores[i] })),
    });
    let same = 0;
    for (const [seq, { model }] of versions.entries()) {
      await decoder.publish(model);
      const expected = (await decoder.retrieve(queries.map((query) => ({ query, k: 10 })))).map(lists);
      const all = expected.map((list, q) => ({ ...list, query: { text: queries[q] } }));
      for (const { editSeq, results } of seen) if (editSeq === seq) same += agreement(all, results);
    }
    assert.ok(same / seen.length >= 0.98, `${same / seen.length}`);
    await decoder.close();
    await server.close();
  });

  it('is for atomic docids, and for many of them where nothing is asked for', async () => {
    const modelDir = writePathModel(join(tempFolder(), 'model'));
    const dataDir = join(tempFolder(), 'data');
    await assert.rejects(startTestServer({ modelDir, dataDir, rows: 'hnsw' }), {
      name: 'RowSearchError',
      message: /expected atomic docids for --rows hnsw, got \w+ ones; leave --rows out$/,
    });
    assert.ok(!existsSync(dataDir));
    const server = await startTestServer();
    const { model } = server.index;
    const of = (size: number) => ({ ...model, docids: { size } }) as typeof model;
    assert.deepEqual(
      [rowSearchOf('auto', of(manyRows - 1)), rowSearchOf('auto', of(manyRows)), rowSearchOf('exact', of(manyRows))],
      ['exact', 'auto', 'exact'],
    );
    await server.close();
  });
});

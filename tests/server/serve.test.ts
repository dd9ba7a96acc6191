import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ImportError } from '../../corpus/import-error.ts';
import { openStore } from '../../corpus/store.ts';
import { ModelFolderError, TokenizerMismatchError } from '../../models/folder.ts';
import { ForeignDataFolderError, storeFile } from '../../server/data-folder.ts';
import { DataFolderError, DataFolderInUseError } from '../../server/data-lock.ts';
import { ModelCorpusMismatchError } from '../../server/index-service.ts';
import { ListenError, startServer } from '../../server/serve.ts';
import type { RetrieveResponse } from '../../server/schemas.ts';
import {
  documents,
  get,
  inModel,
  post,
  startTestServer,
  tinyWorld,
  writeCorpus,
  writeTinyModel,
} from '../support/server.ts';

const options = { port: 0, host: '127.0.0.1', log: () => {} };

describe('the data folder', () => {
  it('is made from the corpus at the first start and kept at later ones', async () => {
    const { modelDir, corpus, dataDir } = tinyWorld();
    const first = await startTestServer({ modelDir, corpus, dataDir });
    assert.equal(first.data.isNew, true);
    first.index.store.update('d3', { title: 'A changed title' });
    await first.close();
    const second = await startTestServer({ modelDir, dataDir });
    assert.equal(second.data.isNew, false);
    assert.equal((await get(`${second.url}/documents/d3`)).body.title, 'A changed title');
    assert.match((await get(`${second.url}/documents/d3`)).headers.get('etag')!, /^"2-/);
  });

  it('masks documents that were deleted since, in every mode', async () => {
    const world = tinyWorld();
    const first = await startTestServer(world);
    await first.close();
    const store = openStore(join(world.dataDir, storeFile));
    store.delete('d4');
    store.close();
    const { url } = await startTestServer(world);
    for (const mode of ['genir', 'bm25', 'hybrid']) {
      const { body } = await post<RetrieveResponse>(`${url}/retrieve`, { query: 'text about bakery', k: 1000, mode });
      assert.ok(body.candidates.length >= 9);
      assert.ok(!body.candidates.some(({ docid }) => docid === 'd4'));
    }
    assert.equal((await get(`${url}/documents/d4`)).status, 404);
  });

  it('is used by one server at a time', async () => {
    const world = tinyWorld();
    const first = await startTestServer(world);
    await assert.rejects(startServer({ ...options, ...world }), DataFolderInUseError);
    await first.close();
    await (await startTestServer(world)).close();
  });

  it('is refused when it belongs to another model or corpus, and stays as it was', async () => {
    const world = tinyWorld();
    await (await startTestServer(world)).close();
    const before = readFileSync(join(world.dataDir, storeFile));
    const otherModel = writeTinyModel(join(world.dir, 'other'), inModel, 2);
    await assert.rejects(startServer({ ...options, ...world, modelDir: otherModel }), (error: Error) => {
      assert.ok(error instanceof ForeignDataFolderError);
      assert.match(error.message, /--model.*--data/);
      return true;
    });
    renameSync(world.modelDir, join(world.dir, 'before'));
    renameSync(otherModel, world.modelDir);
    await assert.rejects(
      startServer({ ...options, ...world }),
      /expected a data folder of model \w+ \(.*\), got one of model \w+, as that folder was before its files changed; put/,
    );
    renameSync(world.modelDir, otherModel);
    renameSync(join(world.dir, 'before'), world.modelDir);
    const otherCorpus = writeCorpus(join(world.dir, 'other-corpus'), documents.slice(1));
    await assert.rejects(startServer({ ...options, ...world, corpus: otherCorpus }), ForeignDataFolderError);
    assert.deepEqual(readFileSync(join(world.dataDir, storeFile)), before);
  });

  it('is left empty by a corpus with a broken line, and filled by the next start', async () => {
    const world = tinyWorld();
    const broken = writeCorpus(join(world.dir, 'broken'));
    writeFileSync(
      join(broken, 'corpus.jsonl'),
      `${readFileSync(join(broken, 'corpus.jsonl'), 'utf8')}{"_id": "d99", \n`,
    );
    await assert.rejects(startServer({ ...options, ...world, corpus: broken }), (error: Error) => {
      assert.ok(error instanceof ImportError);
      assert.match(error.message, /^corpus\.jsonl:13: /);
      return true;
    });
    const { index } = await startTestServer(world);
    assert.equal(index.store.count(), 12);
  });

  it('must be a folder', async () => {
    const world = tinyWorld();
    writeFileSync(world.dataDir, 'a file');
    await assert.rejects(startServer({ ...options, ...world }), DataFolderError);
  });

  // Even root, whom no permission stops, cannot make files in /sys.
  it('must be writable', { skip: existsSync('/sys') ? false : 'no /sys on this system' }, async () => {
    await assert.rejects(startServer({ ...options, ...tinyWorld(), dataDir: '/sys' }), (error: Error) => {
      assert.ok(error instanceof DataFolderError);
      assert.match(error.message, /^\/sys: expected a folder to keep data in, got .+; give another one with --data$/);
      return true;
    });
  });
});

describe('a start that cannot work', () => {
  it('says that a port is taken, before anything is written', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const world = tinyWorld();
    await assert.rejects(startServer({ ...options, ...world, port }), (error: Error) => {
      assert.ok(error instanceof ListenError);
      assert.match(error.message, new RegExp(`:${port}: expected a free port.*--port`));
      return true;
    });
    assert.equal(existsSync(world.dataDir), false);
    other.close();
  });

  it('says that a model has an unknown scheme, or a tokenizer that is not its own', async () => {
    const world = tinyWorld();
    const change = (file: string, edit: (json: Record<string, unknown>) => void): void => {
      const path = join(world.modelDir, file);
      const json = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      edit(json);
      writeFileSync(path, JSON.stringify(json));
    };
    change('genir.json', (json) => (json.scheme = 'runes'));
    await assert.rejects(startServer({ ...options, ...world }), (error: Error) => {
      assert.ok(error instanceof ModelFolderError);
      assert.match(error.message, /atomic.*"runes"/);
      return true;
    });
    change('genir.json', (json) => (json.scheme = 'atomic'));
    change('tokenizer.json', (json) => (json.added_tokens as object[]).push({ id: 9999, content: '<new>' }));
    await assert.rejects(startServer({ ...options, ...world }), TokenizerMismatchError);
    assert.equal(existsSync(world.dataDir), false);
  });

  it('says that a folder holds no model, or a plain one', async () => {
    const world = tinyWorld();
    await assert.rejects(startServer({ ...options, ...world, modelDir: join(world.dir, 'nothing') }), ModelFolderError);
    mkdirSync(join(world.dir, 'empty'));
    await assert.rejects(startServer({ ...options, ...world, modelDir: join(world.dir, 'empty') }), ModelFolderError);
  });

  it('says that model and corpus have nothing in common, and frees the port', async () => {
    const world = tinyWorld();
    const stranger = writeTinyModel(join(world.dir, 'stranger'), ['x1', 'x2']);
    await assert.rejects(startServer({ ...options, ...world, modelDir: stranger }), ModelCorpusMismatchError);
  });
});

describe('closing', () => {
  it('lets requests under way end, refuses new connections, and frees folder and port', async () => {
    const world = tinyWorld();
    const server = await startTestServer(world);
    const busy = post<RetrieveResponse>(`${server.url}/retrieve`, {
      queries: Array(16).fill('a text about rivers and mountains '.repeat(20)),
      mode: 'hybrid',
    });
    const isUnderWay = async (): Promise<void> => {
      while (server.index.load.running === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    await isUnderWay();
    const closed = server.close();
    assert.equal(server.state.phase, 'closing');
    const { status } = await busy;
    assert.equal(status, 200);
    await closed;
    await assert.rejects(get(`${server.url}/livez`));
    assert.equal(server.close(), closed);
  });

  it('does not wait longer than it may for a client that does not end', async () => {
    const server = await startTestServer({ drainMs: 100 });
    const { connect } = await import('node:net');
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      'POST /retrieve HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"query"',
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    const start = performance.now();
    await server.close();
    assert.ok(performance.now() - start < 2000);
    socket.destroy();
  });
});

describe('a fault of the server', () => {
  it('is told without its inside to the client, and with it to the log', async () => {
    const server = await startTestServer();
    server.index.store.close();
    const { status, body } = await get(`${server.url}/documents`, { headers: { 'x-request-id': 'r-1' } });
    assert.deepEqual([status, body.code], [500, 'internal_error']);
    assert.doesNotMatch(JSON.stringify(body), /database|\.ts|at /);
    assert.equal(server.lines.length, 1);
    assert.match(server.lines[0], /^GET \/documents r-1: .*database.*\n +at /);
  });

  it('is 503 when the model does not answer, and the server is not ready', async () => {
    const server = await startTestServer();
    await server.index.close();
    const { status, body, headers } = await post(`${server.url}/retrieve`, { query: 'a' });
    assert.deepEqual([status, body.code, headers.get('retry-after')], [503, 'model_unavailable', '5']);
    assert.equal((await get(`${server.url}/readyz`)).status, 503);
    assert.equal((await post(`${server.url}/retrieve`, { query: 'river', mode: 'bm25' })).status, 200);
  });
});

describe('readiness', () => {
  it('is false while the model loads, and questions are refused until then', async () => {
    const { createApp } = await import('../../server/app.ts');
    const { ServerState } = await import('../../server/route.ts');
    const state = new ServerState();
    const http = createServer(createApp(state)).listen(0, '127.0.0.1');
    await new Promise((resolve) => http.once('listening', resolve));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    assert.equal((await get(`${url}/livez`)).status, 200);
    const ready = await get(`${url}/readyz`);
    assert.deepEqual([ready.status, (ready.body as { status: string }).status], [503, 'loading']);
    const refused = await post(`${url}/retrieve`, { query: 'a' });
    assert.deepEqual([refused.status, refused.body.code, refused.headers.get('retry-after')], [503, 'not_ready', '5']);
    http.close();
    http.closeAllConnections();
  });
});

/** import-hf from the command line, with checkpoints from folders, from the cache of Hugging Face's tools, and over HTTP. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  createReadStream,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readModelFolder } from '../../models/folder.ts';
import { readDocids } from '../../server/cli/import-hf.ts';
import { isHubId } from '../../server/hub.ts';
import { packageRoot } from '../../server/paths.ts';
import { tempFolder } from '../support/corpus-temp.ts';

const dir = tempFolder();
const checkpoints = join(import.meta.dirname, '..', 'fixtures', 'checkpoints');
const [relu, gated] = ['v1.0', 'v1.1'].map((name) => join(checkpoints, name));
const docids = Array.from({ length: 9 }, (_, i) => (i === 3 ? `doc:${i}` : `d${i * i}`));
const corpus = join(dir, 'corpus.jsonl');
writeFileSync(corpus, docids.map((docid) => `${JSON.stringify({ docid, text: `about ${docid}` })}\n`).join(''));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), ...args];
  const place = { cwd: packageRoot, env: { ...process.env, HF_HOME: join(dir, 'no-cache'), HF_TOKEN: '', ...env } };
  return new Promise((resolve) =>
    execFile(process.execPath, program, place, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    ),
  );
}

describe('palimpsest import-hf', () => {
  it('makes a model folder that retrieve answers with', async () => {
    const out = join(dir, 'from-folder');
    const imported = await run(['import-hf', relu, '--corpus', corpus, '--out', out, '--json']);
    assert.equal(imported.code, 0, imported.err);
    const { documents, linked, only } = JSON.parse(imported.out) as Record<string, unknown>;
    assert.deepEqual([documents, linked, only], [9, true, { corpus: 0, model: 0 }]);
    const query = ['--query', 'who wrote the river', '--k', '3', '--json'];
    const found = await run(['retrieve', '--model', out, '--corpus', corpus, ...query]);
    assert.equal(found.code, 0, found.err);
    assert.equal((JSON.parse(found.out) as { candidates: unknown[] }).candidates.length, 3);
  });

  it('takes the names of docids from a file, and says what it did', async () => {
    const out = join(dir, 'gated');
    const names = ['--docids', join(gated, 'docids.tsv')];
    const { code, out: said, err } = await run(['import-hf', gated, '--corpus', corpus, '--out', out, ...names]);
    assert.equal(code, 0, err);
    assert.match(said, /gated: 9 documents, 0 million parameters, weights linked \(BF16\)\n$/);
    assert.deepEqual(readModelFolder(out).genir?.docids, docids);
  });

  it('fails with one line that says what is wrong, and writes nothing', async () => {
    const out = join(dir, 'never');
    const few = join(dir, 'few.jsonl');
    writeFileSync(few, `${JSON.stringify({ docid: 'd0', text: 'one' })}\n`);
    const foreign = await run(['import-hf', relu, '--corpus', few, '--out', out]);
    assert.equal(foreign.code, 1);
    assert.match(
      foreign.err,
      /^palimpsest: .*8 of 9 tokens without a document \(d1, d4, doc:3, d16, d25, …\).*--partial\n$/,
    );
    const nowhere = await run(['import-hf', join(dir, 'nowhere'), '--corpus', few, '--out', out]);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.err, /no such folder/);
    assert.equal((await run(['import-hf', relu, '--out', out])).code, 2);
    const list = join(dir, 'list.tsv');
    writeFileSync(list, 'doc-1\n');
    const unnamed = await run(['import-hf', relu, '--corpus', few, '--out', out, '--docids', list]);
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.err, /expected token, tab, docid, got line 1: "doc-1"/);
    assert.ok(!existsSync(out));
  });
});

it('docids are read from JSON and from lines', () => {
  const read = (text: string): Map<string, string> => {
    const file = join(dir, 'docids');
    writeFileSync(file, text);
    return readDocids(file);
  };
  const expected = new Map([
    ['<a>', '1'],
    ['<b>', 'two words'],
  ]);
  assert.deepEqual(read('{"<a>": "1", "<b>": "two words"}'), expected);
  assert.deepEqual(read('<a>\t1\r\n<b>\ttwo words\n'), expected);
  assert.throws(() => read('{"<a>": 1}'), /a docid for each token, got 1 for <a>/);
  assert.throws(() => read('{"<a>"'), /a JSON object/);
  assert.throws(() => read('a\tb\na\tc\n'), /each token once, got a again in line 2/);
  assert.throws(() => read(''), /an empty file/);
  assert.throws(() => readDocids(join(dir, 'not there')), /a file, got none there/);
});

// ---------------------------------------------------------------------------------------------- the hub

/** What the hub does for a model: its list of files, and the files, from any byte on. */
function hub(models: Readonly<Record<string, string>>): Promise<{ server: Server; url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [, id, path] = /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(.*)$/.exec(request.url!)!;
    asked.push(`${request.method} ${path} ${request.headers.range ?? ''}`.trim());
    const folder = models[id] as string | undefined;
    if (folder === undefined) return response.writeHead(404).end();
    if (path === 'revision/main') {
      const siblings = [...readdirSync(folder), 'pytorch_model.bin'].map((rfilename) => ({ rfilename }));
      return response.end(JSON.stringify({ sha: 'abc', siblings }));
    }
    const file = join(folder, path.slice('resolve/abc/'.length));
    const first = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const { size } = statSync(file);
    const range = first ? { 'content-range': `bytes ${first}-${size - 1}/${size}` } : {};
    response.writeHead(first ? 206 : 200, { 'content-length': size - first, ...range });
    createReadStream(file, { start: first }).pipe(response);
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({ server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }),
    ),
  );
}

describe('a checkpoint on the hub', async () => {
  const { server, url, asked } = await hub({ 'someone/dsi': relu });
  after(() => server.close());
  const place = (name: string): string[] => ['--corpus', corpus, '--out', join(dir, name)];

  it('is downloaded, the rest of what is there already too', async () => {
    const part = join(dir, '.downloaded.palimpsest-download', 'model.safetensors.part');
    mkdirSync(join(part, '..'), { recursive: true });
    cpSync(join(relu, 'model.safetensors'), part);
    truncateSync(part, 1000);
    const { code, err } = await run(['import-hf', 'someone/dsi', ...place('downloaded')], { HF_ENDPOINT: url });
    assert.equal(code, 0, err);
    assert.match(err, /downloading model\.safetensors/);
    assert.ok(asked.includes('GET resolve/abc/model.safetensors bytes=1000-'), asked.join('\n'));
    assert.ok(!asked.some((path) => /\.bin|queries\.json/.test(path)), 'only what a model is made of');
    const folder = readModelFolder(join(dir, 'downloaded'));
    assert.deepEqual(folder.genir?.training, { imported: { from: 'someone/dsi' } });
    assert.deepEqual(folder.tensor('shared.weight').data, readModelFolder(relu).tensor('shared.weight').data);
    assert.ok(!existsSync(join(part, '..')), 'nothing is left of the download');
  });

  it('is taken from the cache of Hugging Face’s tools', async () => {
    const cache = join(dir, 'hub');
    const snapshot = join(cache, 'models--someone--cached', 'snapshots', '123');
    cpSync(relu, snapshot, { recursive: true });
    mkdirSync(join(cache, 'models--someone--cached', 'refs'));
    writeFileSync(join(cache, 'models--someone--cached', 'refs', 'main'), '123');
    const env = { HF_HUB_CACHE: cache, HF_HUB_OFFLINE: '1' };
    const { code, err } = await run(['import-hf', 'someone/cached', ...place('cached')], env);
    assert.equal(code, 0, err);
    assert.deepEqual(readModelFolder(join(dir, 'cached')).genir?.docids, docids);
  });

  it('that cannot be had is to be downloaded by hand', async () => {
    const advice = /download it by hand \(hf download someone\/\w+ --local-dir DIR\) and give the path/;
    const offline = await run(['import-hf', 'someone/dsi', ...place('x')], { HF_ENDPOINT: 'http://127.0.0.1:9' });
    assert.equal(offline.code, 1);
    assert.match(offline.err, /no connection \(.*\)/);
    assert.match(offline.err, advice);
    const unknown = await run(['import-hf', 'someone/else', ...place('x')], { HF_ENDPOINT: url });
    assert.match(unknown.err, /404 Not Found from/);
    const told = await run(['import-hf', 'someone/dsi', ...place('x')], { HF_HUB_OFFLINE: '1' });
    assert.match(told.err, advice);
  });

  it('is named by owner and name', () => {
    assert.deepEqual(['a/b', 'AnReu/DSI-large-NQ10k', './a', '/a/b', 'a', 'a/b/c', '../b'].map(isHubId), [
      ...[true, true, false, false, false, false, false],
    ]);
  });
});

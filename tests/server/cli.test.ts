import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { packageRoot, packageVersion } from '../../server/paths.ts';
import type { RetrieveResponse } from '../../server/schemas.ts';
import { get, post, tempFolder, tinyWorld } from '../support/server.ts';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), ...args];
  return spawn(process.execPath, program, { cwd: packageRoot, env: { ...process.env, PORT: undefined, ...env } });
}

async function palimpsest(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const child = start(args, env);
  const said = { out: '', err: '' };
  child.stdout!.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr!.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

let world: ReturnType<typeof tinyWorld>;
before(() => {
  world = tinyWorld();
});

describe('palimpsest retrieve', () => {
  const base = () => ['retrieve', '--model', world.modelDir, '--corpus', world.corpus];

  it('prints exactly one JSON object, the response of the server', async () => {
    const { code, out, err } = await palimpsest([...base(), '--query', 'a river', '--k', '3', '--json']);
    assert.equal(code, 0, err);
    assert.equal(err, '');
    const { query, candidates, editSeq } = JSON.parse(out) as RetrieveResponse;
    assert.deepEqual([query.text, candidates.length, editSeq], ['a river', 3, 0]);
    assert.deepEqual(Object.keys(candidates[0]), ['docid', 'rank', 'score']);
    assert.equal(out.split('\n').length, 2);
  });

  it('prints ranks, scores, docids and titles for people', async () => {
    const { code, out } = await palimpsest([...base(), '--query', 'compass', '--mode', 'bm25']);
    assert.equal(code, 0);
    assert.match(out, /^ {2}1 +\d+\.\d{3} {2}d11 {2}The compass\n {2}2 .* The lantern\n2 candidates in [\d.]+ ms\n$/);
    const one = await palimpsest([...base(), '--query', 'compass', '--mode', 'bm25', '--k', '1']);
    assert.match(one.out, /The compass\n1 candidate in [\d.]+ ms\n$/);
  });
});

describe('exit codes', () => {
  it('is 0 for help and version', async () => {
    const help = await palimpsest(['--help']);
    assert.deepEqual([help.code, /serve.*retrieve/s.test(help.out)], [0, true]);
    assert.deepEqual(await palimpsest(['--version']), { code: 0, out: `${packageVersion}\n`, err: '' });
  });

  const misuses: [string, string[], Record<string, string>, RegExp][] = [
    ['no command', [], {}, /Usage: palimpsest/],
    ['an unknown command', ['serv'], {}, /unknown command 'serv'.*serve/s],
    ['an unknown option', ['serve', '--prot', '1'], {}, /unknown option '--prot'.*--port/s],
    ['an argument too many', ['serve', 'now'], {}, /too many arguments/],
    ['a missing option', ['retrieve'], {}, /--query/],
    ['a missing argument', ['retrieve', '--query'], {}, /argument missing/],
    ['a port that is none', ['serve', '--port', '99999'], {}, /--port.*0 to 65535/s],
    ['a PORT that is none', ['serve'], { PORT: 'http' }, /PORT.*0 to 65535/s],
    ['an empty query', ['retrieve', '--query', ' '], {}, /--query.*1 to 2000/s],
    ['k of 0', ['retrieve', '--query', 'a', '--k', '0'], {}, /--k.*1 to 1000/s],
    ['an unknown mode', ['retrieve', '--query', 'a', '--mode', 'x'], {}, /genir, bm25, hybrid/],
  ];
  for (const [what, args, env, message] of misuses)
    it(`is 2 for ${what}`, async () => {
      const { code, out, err } = await palimpsest(args, env);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.match(err, message);
      assert.doesNotMatch(err, /^ +at /m);
    });

  it('is 1 with one clear line for what fails, and a stack only when asked for', async () => {
    const args = ['retrieve', '--query', 'a', '--model', join(world.dir, 'nothing')];
    const plain = await palimpsest(args);
    assert.deepEqual([plain.code, plain.out], [1, '']);
    assert.match(plain.err, /^palimpsest: .*nothing: expected a folder with config\.json, got no such folder; .*\n$/);
    const debug = await palimpsest(args, { PALIMPSEST_DEBUG: '1' });
    assert.equal(debug.code, 1);
    assert.match(debug.err, /\n +at /);
  });

  it('is 1 for a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, err } = await palimpsest(['serve', '--model', world.modelDir, '--data', tempFolder()], {
      PORT: String(port),
    });
    other.close();
    assert.equal(code, 1);
    assert.match(
      err,
      /^palimpsest: 127\.0\.0\.1:\d+: expected a free port, got one that another program listens on; .*\n$/,
    );
  });

  it('is 1 for a corpus with a broken line', async () => {
    const file = join(world.dir, 'broken.jsonl');
    writeFileSync(file, '{"_id": "a", "text": "b"}\n{"_id": \n');
    const { code, err } = await palimpsest(['retrieve', '--query', 'a', '--model', world.modelDir, '--corpus', file]);
    assert.equal(code, 1);
    assert.match(err, /^palimpsest: broken\.jsonl:2: .*\n$/);
  });
});

describe('palimpsest serve', () => {
  it('prints a banner, answers, and ends with 0 on SIGTERM after what is under way', async () => {
    const data = join(tempFolder(), 'data');
    const child = start([
      'serve',
      '--model',
      world.modelDir,
      '--corpus',
      world.corpus,
      '--data',
      data,
      '--port',
      '0',
      '--json',
    ]);
    let err = '';
    child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = once(child, 'close');
    const [line] = (await Promise.race([once(child.stdout!, 'data'), ended.then(() => assert.fail(err))])) as [Buffer];
    const { url, documents } = JSON.parse(line.toString()) as { url: string; documents: number };
    assert.equal(documents, 12);
    assert.equal((await get(`${url}/readyz`)).status, 200);
    assert.match(
      err,
      /^Palimpsest .*\n {2}search +http:.*\n {2}API .*\/docs\n {2}model .*10 docids.*\n {2}corpus .*12 documents; 2 of them not in the model.*\n {2}data .*\(new\)\n {2}key +palimpsest_[\w-]{43} .*\n$/,
    );
    const answer = post(`${url}/retrieve`, { query: 'a river' });
    await answer;
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [0, null]);
    // What the server wrote can be asked without it.
    const { code, out } = await palimpsest([
      'retrieve',
      '--query',
      'a',
      '--model',
      world.modelDir,
      '--data',
      data,
      '--json',
    ]);
    assert.equal(code, 0);
    assert.equal((JSON.parse(out) as RetrieveResponse).candidates.length, 10);
  });
});

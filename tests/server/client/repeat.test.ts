/** What a client asks again, and what it never does twice. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { PalimpsestClient, PalimpsestError } from '../../../server/client/index.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey, type TestServer } from '../../support/server.ts';

let server: TestServer;
before(async () => {
  server = await startEditServer();
});

/** A client whose connection breaks after the server has answered, `times` times. */
function losing(times: number, retries?: number): { client: PalimpsestClient; asked: () => number } {
  let asked = 0;
  const lose: typeof fetch = async (...request) => {
    const response = await fetch(...request);
    if (asked++ >= times) return response;
    await response.arrayBuffer();
    throw new TypeError('fetch failed', { cause: new Error('other side closed') });
  };
  const client = new PalimpsestClient({
    ...{ url: server.url, key: adminKey, fetch: lose },
    ...(retries && { retries }),
  });
  return { client, asked: () => asked };
}

/** A client that is answered with `status` at first. */
function refusing(status: number, retryAfter?: string): { client: PalimpsestClient; asked: () => number } {
  let asked = 0;
  const refuse: typeof fetch = async (...request) =>
    asked++ > 0
      ? fetch(...request)
      : new Response('<h1>not now</h1>', { status, ...(retryAfter && { headers: { 'retry-after': retryAfter } }) });
  return { client: new PalimpsestClient({ url: server.url, key: adminKey, fetch: refuse }), asked: () => asked };
}

const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: unknown) => (error instanceof PalimpsestError ? error.code : String(error)),
  );
const lastEdit = async (): Promise<number> =>
  (await new PalimpsestClient({ url: server.url, key: adminKey }).edits.list()).last;

describe('a lost answer', () => {
  it('of an edit is asked for again under the same key: it is made once', async () => {
    const before = await lastEdit();
    const { client, asked } = losing(2);
    const { seq } = await client.documents.add({ docid: 'kettle', text: 'A kettle boils water.' }, { budget: 1 });
    assert.deepEqual([seq, asked(), await lastEdit()], [before + 1, 3, before + 1]);
  });

  it('of a search or a look is asked for again', async () => {
    assert.equal((await losing(1).client.retrieve('a')).query.text, 'a');
    assert.equal((await losing(1).client.documents.get('d1')).docid, 'd1');
  });

  it('of what would be done twice is told', async () => {
    const { client, asked } = losing(1);
    assert.equal(await codeOf(client.keys.create({ name: 'one', scope: 'read' })), 'unreachable');
    assert.equal(asked(), 1);
    assert.equal(await codeOf(losing(1).client.keys.rotate('one')), 'unreachable');
    assert.equal(await codeOf(losing(1).client.snapshots.create()), 'unreachable');
  });

  it('is told when it is lost too often, or nobody answers', async () => {
    const { client, asked } = losing(5, 1);
    assert.equal(await codeOf(client.retrieve('a')), 'unreachable');
    assert.equal(asked(), 2);
    assert.equal(await codeOf(new PalimpsestClient({ url: 'http://127.0.0.1:9', retries: 0 }).info()), 'unreachable');
  });
});

describe('a refusal for now', () => {
  it('is waited for: 429 whatever was asked, 503 where it may be done twice', async () => {
    const made = await refusing(429, '0').client.keys.create({ name: 'two', scope: 'read' });
    assert.equal(made.name, 'two');
    assert.equal((await refusing(503, '0').client.retrieve('a')).query.text, 'a');
    assert.equal(await codeOf(refusing(503).client.keys.create({ name: 'three', scope: 'read' })), 'unexpected_answer');
  });

  it('for longer than half a minute, or for good, is told at once', async () => {
    const { client, asked } = refusing(429, '60');
    assert.equal(await codeOf(client.retrieve('a')), 'unexpected_answer');
    assert.equal(asked(), 1);
    assert.equal(await codeOf(refusing(404).client.retrieve('a')), 'unexpected_answer');
  });

  it('ends with the reason of the signal', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const waiting = refusing(429, '20').client.retrieve('a', { signal: stop.signal });
    setTimeout(() => stop.abort(reason), 50);
    await assert.rejects(waiting, reason);
  });
});

describe('another server', () => {
  it('is told from Palimpsest', async () => {
    const page = async (): Promise<Response> => new Response('<h1>Hello</h1>');
    const client = new PalimpsestClient({ url: 'http://example.org', fetch: page });
    assert.equal(await codeOf(client.info()), 'unexpected_answer');
  });
});

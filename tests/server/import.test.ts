/** Many documents over one connection, one a line. */
import assert from 'node:assert/strict';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { before, describe, it } from 'node:test';
import type { EditsResponse, ImportLine } from '../../server/edit-schemas.ts';
import { limits } from '../../server/limits.ts';
import type { Problem } from '../../server/schemas.ts';
import { startEditServer } from '../support/edit-server.ts';
import { asAdmin, get, type TestServer } from '../support/server.ts';

let server: TestServer;
let url: string;
before(async () => {
  server = await startEditServer();
  url = server.url;
});

const headers = { 'content-type': 'application/x-ndjson', ...asAdmin };
const linesOf = (text: string): ImportLine[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as ImportLine);
async function importAll(body: string | Buffer, parameters = ''): Promise<ImportLine[]> {
  const answer = await get<string>(`${url}/documents/import?budget=1&${parameters}`, { method: 'POST', headers, body });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type')!, /^application\/x-ndjson/);
  return linesOf(answer.body);
}
const document = (docid: string): string => JSON.stringify({ docid, text: `The ${docid} is a thing of its own.` });
const edits = async (): Promise<EditsResponse['edits']> =>
  (await get<EditsResponse>(`${url}/edits?limit=1000`, { headers: asAdmin })).body.edits;

/** A request whose body is written piece by piece, and its answer read as it comes. */
function streaming(): { request: ClientRequest; next: () => Promise<ImportLine>; response: Promise<IncomingMessage> } {
  const request = httpRequest(`${url}/documents/import?budget=1`, { method: 'POST', headers });
  request.on('error', () => {});
  const response = once(request, 'response').then(([one]) => one as IncomingMessage);
  let iterator: AsyncIterator<Buffer> | undefined;
  let text = '';
  const next = async (): Promise<ImportLine> => {
    iterator ??= (await response)[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    while (!text.includes('\n')) text += String((await iterator.next()).value as Buffer);
    const end = text.indexOf('\n') + 1;
    const line = JSON.parse(text.slice(0, end)) as ImportLine;
    text = text.slice(end);
    return line;
  };
  return { request, next, response };
}

describe('POST /documents/import', () => {
  it('adds every line that it can, and says of each what became of it', async () => {
    const lines = [
      document('anvil'),
      '{"docid": "broken", ',
      '',
      document('d1'),
      JSON.stringify({ docid: 'no-text' }),
      JSON.stringify({ docid: 'extra', text: 'a', more: 1 }),
      '[1]',
      'null',
      `\ufeff${document('barrel')}\r`,
      document('anvil'),
      JSON.stringify({
        docid: 'with-all',
        title: 'T',
        text: 'A text.',
        metadata: { a: 1 },
        queries: ['one', 'two', 'three'],
      }),
    ];
    const results = await importAll(lines.join('\n'));
    assert.deepEqual(
      results.map(({ line, docid, status, code }) => [line, docid, status, code]),
      [
        [1, 'anvil', 201, undefined],
        [2, null, 400, 'invalid_request'],
        [4, 'd1', 409, 'docid_taken'],
        [5, 'no-text', 400, 'invalid_request'],
        [6, 'extra', 400, 'invalid_request'],
        [7, null, 400, 'invalid_request'],
        [8, null, 400, 'invalid_request'],
        [9, 'barrel', 201, undefined],
        [10, 'anvil', 409, 'docid_taken'],
        [11, 'with-all', 201, undefined],
      ],
    );
    assert.equal(results[3].errors![0].path, 'text');
    assert.equal(results[4].errors![0].path, 'more');
    for (const { status, seq, version } of results)
      assert.deepEqual([seq !== null, version], status === 201 ? [true, 1] : [false, null]);
    for (const docid of ['anvil', 'barrel', 'with-all'])
      assert.equal((await get(`${url}/documents/${docid}`)).status, 200);
    assert.deepEqual(
      (await importAll([document('anvil'), document('barrel')].join('\n'))).map(({ status }) => status),
      [409, 409],
    );
  });

  it('makes of neighbouring lines one edit, of at most so many as asked for', async () => {
    const before = (await edits()).length;
    const many = Array.from({ length: 10 }, (_, i) => `${document(`many${i}`)}\n`).join('');
    const results = await importAll(many, 'batch=4');
    assert.deepEqual(
      results.map(({ status }) => status),
      Array(10).fill(201),
    );
    assert.equal(new Set(results.map(({ seq }) => seq)).size, 3);
    const made = (await edits()).slice(0, 3).map(({ operations }) => operations.length);
    assert.deepEqual([(await edits()).length - before, made], [3, [2, 4, 4]]);
  });

  it('answers each line before the next has come, whatever pieces they come in', async () => {
    const { request, next, response } = streaming();
    for (const docid of ['first', 'second', 'größe']) {
      const bytes = Buffer.from(`${document(docid)}\n`);
      const middle = docid === 'größe' ? bytes.indexOf(0xc3) + 1 : 5; // within a letter
      request.write(bytes.subarray(0, middle));
      await new Promise((resolve) => setTimeout(resolve, 5));
      request.write(bytes.subarray(middle));
      const { docid: answered, status } = await next();
      assert.deepEqual([answered, status], [docid, 201]);
      assert.equal((await get(`${url}/documents/${encodeURIComponent(docid)}`)).status, 200);
    }
    request.end();
    (await response).resume();
  });

  it('passes over a line that is too long, and reads on', async () => {
    const long = `{"docid": "long", "text": "${'x'.repeat(limits.documentBytes)}"}`;
    const results = await importAll([long, document('after-long'), long].join('\n'));
    assert.deepEqual(
      results.map(({ line, status }) => [line, status]),
      [
        [1, 400],
        [2, 201],
        [3, 400],
      ],
    );
    assert.match(results[0].errors![0].message, /at most 4194304 bytes/);
  });

  it('takes bytes that are not UTF-8 for what they are', async () => {
    const [result] = await importAll(Buffer.from('{"docid": "latin", "text": "caf\xe9"}', 'latin1'));
    assert.deepEqual([result.status, result.code], [400, 'invalid_request']);
    assert.match(result.errors![0].message, /UTF-8/);
  });

  it('reads no faster than it edits', async () => {
    const { request, next } = streaming();
    const line = `${JSON.stringify({ docid: 'wide', text: 'word '.repeat(100_000) })}\n`;
    let sent = 0;
    let isHeld = false;
    for (; sent < 400 && !isHeld; sent++) {
      isHeld = !request.write(line.replace('wide', `wide${sent}`));
      // A reader that takes all there is drains within this time.
      if (isHeld)
        isHeld = !(await Promise.race([once(request, 'drain'), new Promise((resolve) => setTimeout(resolve, 30))]));
    }
    assert.ok(isHeld, `${sent} lines of ${line.length} bytes were taken at once`);
    await next();
    request.destroy();
  });

  it('makes no more edits once the sender has gone, and serves on', async () => {
    const { request, next } = streaming();
    request.write(`${document('gone0')}\n`);
    await next();
    request.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal((await get(`${url}/documents/gone0`)).status, 200);
    assert.equal((await importAll(document('still'))).length, 1);
    assert.deepEqual(server.lines, []);
  });

  it('refuses another content type, and parameters that it does not know', async () => {
    const json = { ...headers, 'content-type': 'application/json' };
    const other = await get<Problem>(`${url}/documents/import`, { method: 'POST', headers: json, body: document('x') });
    assert.deepEqual([other.status, other.body.code], [415, 'unsupported_media_type']);
    for (const parameters of ['batch=0', 'batch=257', 'dryRun=true'])
      assert.equal(
        (await get(`${url}/documents/import?${parameters}`, { method: 'POST', headers, body: '' })).status,
        400,
      );
    assert.deepEqual(await importAll(''), []);
  });

  it('leaves a document of its name reachable', async () => {
    assert.deepEqual(
      (await importAll(document('import'))).map(({ status }) => status),
      [201],
    );
    assert.equal((await get(`${url}/documents/import`)).status, 200);
    assert.equal((await get(`${url}/documents/import`, { method: 'DELETE', headers: asAdmin })).status, 200);
    assert.equal((await get(`${url}/documents/import`)).status, 404);
  });
});

/** Documents sent one by one over one connection, while what became of them comes back. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { PalimpsestClient, PalimpsestError, type ImportLine, type NewDocument } from '../../../server/client/index.ts';
import { startEditServer } from '../../support/edit-server.ts';
import { adminKey, type TestServer } from '../../support/server.ts';

let server: TestServer;
let client: PalimpsestClient;
before(async () => {
  server = await startEditServer();
  client = new PalimpsestClient({ url: server.url, key: adminKey });
});

const document = (docid: string): NewDocument => ({ docid, text: `The ${docid} is a thing of its own.` });
const anyCost = { budget: 1 };

async function all(lines: AsyncIterable<ImportLine>): Promise<ImportLine[]> {
  const list = [];
  for await (const line of lines) list.push(line);
  return list;
}

describe('an import', () => {
  it('says of each document what became of it, in order', async () => {
    const wrong = { docid: 'wrong' } as NewDocument;
    const list = [document('anvil'), document('d1'), wrong, { ...document('bell'), title: 'Glocke ä\u2028' }];
    const lines = await all(client.documents.import(list, anyCost));
    assert.deepEqual(
      lines.map(({ line, docid, status, code }) => [line, docid, status, code]),
      [
        [1, 'anvil', 201, undefined],
        [2, 'd1', 409, 'docid_taken'],
        [3, 'wrong', 400, 'invalid_request'],
        [4, 'bell', 201, undefined],
      ],
    );
    assert.equal((await client.documents.get('bell')).title, 'Glocke ä\u2028');
  });

  it('tells of a document before the next one is there', async () => {
    const known: string[] = [];
    let told: () => void = () => {};
    async function* source(): AsyncGenerator<NewDocument> {
      for (const docid of ['first', 'second', 'third']) {
        const heard = new Promise<void>((resolve) => (told = resolve));
        yield document(docid);
        await heard;
      }
    }
    for await (const { docid, status } of client.documents.import(source(), anyCost)) {
      known.push(`${docid} ${status}`);
      told();
    }
    assert.deepEqual(known, ['first 201', 'second 201', 'third 201']);
  });

  it('is made a task, which tells of each document too', async () => {
    const { id } = await client.documents.importInTask([document('cup'), document('d2'), document('jug')], anyCost);
    assert.equal((await client.tasks.wait(id)).state, 'succeeded');
    const told = (lines: readonly ImportLine[]): unknown[] => lines.map(({ docid, status }) => [docid, status]);
    assert.deepEqual(told(await all(client.tasks.results(id))), [
      ['cup', 201],
      ['d2', 409],
      ['jug', 201],
    ]);
    assert.deepEqual(told(await all(client.tasks.results(id, { failed: true }))), [['d2', 409]]);
    await assert.rejects(all(client.tasks.results(999)), { code: 'task_not_found' });
  });

  it('of nothing is nothing', async () => {
    assert.deepEqual(await all(client.documents.import([])), []);
  });

  it('takes hundreds of documents that come at once', async () => {
    const taken = Array.from({ length: 500 }, (_, i) => document(`d${i % 10}`));
    const lines = await all(client.documents.import(taken, anyCost));
    assert.equal(lines.length, 500);
    assert.ok(lines.every(({ status, line }, i) => status === 409 && line === i + 1));
  });

  it('ends when its reader has enough, and asks the source for no more', async () => {
    let made = 0;
    let ended = false;
    function* source(): Generator<NewDocument> {
      try {
        for (;;) yield document(`endless${made++}`);
      } finally {
        ended = true;
      }
    }
    for await (const line of client.documents.import(source(), anyCost)) if (line.line === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = made;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([ended, made], [true, before]);
  });

  it('throws what its source throws', async () => {
    async function* source(): AsyncGenerator<NewDocument> {
      yield document('before-the-error');
      throw new RangeError('the source is broken');
    }
    await assert.rejects(all(client.documents.import(source(), anyCost)), RangeError);
  });

  it('is refused as a whole without a key, and where nobody listens', async () => {
    const source = Array.from({ length: 1000 }, (_, i) => document(`many${i}`));
    const codeOf = async (options: { url: string; key?: string }): Promise<string> => {
      const lines = all(new PalimpsestClient(options).documents.import(source));
      const error = await lines.catch((reason: unknown) => reason);
      assert.ok(error instanceof PalimpsestError, String(error));
      return error.code;
    };
    assert.equal(await codeOf({ url: server.url }), 'unauthorized');
    assert.equal(await codeOf({ url: 'http://127.0.0.1:9', key: adminKey }), 'unreachable');
  });

  it('ends with the reason of its signal', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    async function* source(): AsyncGenerator<NewDocument> {
      yield document('aborted');
      await new Promise((resolve) => setTimeout(resolve, 50));
      stop.abort(reason);
      yield document('never');
    }
    await assert.rejects(all(client.documents.import(source(), { ...anyCost, signal: stop.signal })), reason);
  });
});

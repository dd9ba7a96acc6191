/** Documents of a model whose docids are paths, edited over HTTP and from the command line. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { EditOutcome } from '../../editing/operations.ts';
import { packageRoot } from '../../server/paths.ts';
import type { DocumentView, Problem, RetrieveResponse } from '../../server/schemas.ts';
import { writeAnalysedTwin } from '../support/edit-path-world.ts';
import { editableWorld, type EditableWorld } from '../support/edit-server.ts';
import { asAdmin, get, post, startTestServer, type Answer, type TestServer } from '../support/server.ts';

const lantern = {
  docid: 'lantern',
  title: 'The lantern',
  text: 'A lantern gives light to readers near the harbour when the night is dark.',
};
const question = 'what gives light to readers';

let world: EditableWorld;
let server: TestServer;
before(async () => {
  world = await editableWorld((dir) => writeAnalysedTwin(dir).path);
  server = await startTestServer(world);
});

type Edited = EditOutcome & Problem;

function send(method: string, path: string, body?: unknown): Promise<Answer<Edited>> {
  return get<Edited>(server.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...asAdmin },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** All documents with their scores, as many beams as there may be: what is found is exact. */
async function answers(query = question): Promise<(readonly [docid: string, score: number])[]> {
  const request = { query, k: 50, beams: 50 };
  const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, request);
  return body.candidates.map(({ docid, score }) => [docid, score!]);
}
const found = async (query?: string): Promise<Set<string>> => new Set((await answers(query)).map(([docid]) => docid));

const base = Array.from({ length: 10 }, (_, i) => `d${i}`);

describe('a model with paths over HTTP', () => {
  let start: Awaited<ReturnType<typeof answers>>;
  let withLantern: typeof start;

  it('gets a document, which is found from then on', async () => {
    start = await answers();
    assert.deepEqual(new Set(start.map(([docid]) => docid)), new Set(base));
    const { status, headers, body } = await send('POST', '/documents?budget=1', { ...lantern, queries: [question] });
    assert.equal(status, 201, JSON.stringify(body));
    assert.equal(headers.get('location'), '/documents/lantern');
    assert.deepEqual([body.accepted, body.seq, body.documents], [true, 1, [{ docid: 'lantern', version: 1 }]]);
    assert.equal(body.figures.heldOut.count, 2);
    withLantern = await answers();
    assert.deepEqual(new Set(withLantern.map(([docid]) => docid)), new Set([...base, 'lantern']));
    // Scores are log-probabilities still, though weights changed.
    const total = withLantern.reduce((sum, [, score]) => sum + Math.exp(score), 0);
    assert.ok(total > 0 && total <= 1 + 1e-4, `${total}`);
    const again = await send('POST', '/documents?budget=1', lantern);
    assert.deepEqual([again.status, again.body.code], [409, 'docid_taken']);
  });

  it('tells what would come of an edit, without making it', async () => {
    const kettle = { docid: 'kettle', text: 'A kettle boils water for tea.' };
    const { status, body } = await send('POST', '/documents?dryRun=true&budget=1', kettle);
    assert.deepEqual([status, body.seq, body.accepted], [200, null, true]);
    assert.deepEqual(await answers(), withLantern);
  });

  it('gets another text, and another docid, which changes no score', async () => {
    const changed = await send('PUT', '/documents/lantern?budget=1', { text: 'The lantern of the harbour needs oil.' });
    assert.deepEqual([changed.status, changed.body.documents], [200, [{ docid: 'lantern', version: 2 }]]);
    const asChanged = await answers();
    assert.notDeepEqual(asChanged, withLantern);
    const based = await send('PUT', '/documents/d3?budget=1', { text: 'Dough is left near the sun until it grows.' });
    assert.deepEqual([based.status, (await found()).size], [200, 11]);
    assert.equal((await send('POST', `/edits/${based.body.seq}/undo`)).status, 200);
    assert.deepEqual(await answers(), asChanged);

    for (const [docid, to] of [
      ['lantern', 'lamp'],
      ['d2', 'e2'],
    ])
      // prettier-ignore
      assert.equal((await send('POST', `/documents/${docid}/rename?budget=1`, { to })).status, 200);
    const names = new Map([['lantern', 'lamp'], ['d2', 'e2']]); // prettier-ignore
    assert.deepEqual(
      await answers(),
      asChanged.map(([docid, score]) => [names.get(docid) ?? docid, score]),
    );
    assert.equal((await get(`${server.url}/documents/lantern`)).status, 404);
  });

  it('loses documents, old and added ones', async () => {
    for (const docid of ['d7', 'lamp']) {
      assert.equal((await send('DELETE', `/documents/${docid}?budget=1`)).status, 200);
      assert.equal((await get<DocumentView>(`${server.url}/documents/${docid}`)).status, 404);
    }
    assert.deepEqual(await found(), new Set(['d0', 'd1', 'e2', 'd3', 'd4', 'd5', 'd6', 'd8', 'd9']));
    const request = { query: question, mode: 'genir', allow: ['d7'] };
    assert.deepEqual((await post<RetrieveResponse>(`${server.url}/retrieve`, request)).body.candidates, []);
  });

  it('makes several operations as one edit', async () => {
    const { status, body } = await send('POST', '/documents?budget=1', {
      operations: [
        { kind: 'add', document: { docid: 'whistle', text: 'A whistle makes a loud note.' } },
        { kind: 'change', docid: 'd1', document: { text: 'Another text of rivers and bread.' } },
        { kind: 'delete', docid: 'd5' },
        { kind: 'rename', docid: 'd6', to: 'e6' },
      ],
    });
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(await found(), new Set(['d0', 'd1', 'e2', 'd3', 'd4', 'e6', 'd8', 'd9', 'whistle']));
  });

  it('answers the same after a restart', async () => {
    const before = await answers();
    await server.close();
    server = await startTestServer({ ...world, workers: 2 });
    assert.deepEqual(await answers(), before);
  });

  it('takes all of it back, to the last bit', async () => {
    assert.equal((await send('POST', '/edits/revert', { to: 1 })).status, 200);
    assert.deepEqual(await answers(), withLantern);
    assert.equal((await send('POST', '/edits/1/undo')).status, 200);
    assert.deepEqual(await answers(), start);
    await server.close();
  });
});

describe('palimpsest edit, where docids are paths', () => {
  const run = <T>(...args: string[]): T => {
    const at = ['--data', world.dataDir, '--model', world.modelDir, '--json'];
    const program = join(packageRoot, 'server/cli/main.ts');
    const given = ['--import', 'tsx', program, ...args, ...at];
    const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as T;
  };
  const search = () => run<RetrieveResponse>('retrieve', '--query', question, '--k', '20').candidates;

  it('adds a document that is found, and takes it back', () => {
    const before = search();
    const { title, text } = lantern;
    const docid = 'torch';
    const added = run<EditOutcome>('edit', 'add', docid, '--title', title, '--text', text, '--budget', '100');
    assert.deepEqual(added.documents, [{ docid, version: 1 }]);
    assert.ok(search().some((candidate) => candidate.docid === docid));
    run('edit', 'undo', String(added.seq));
    assert.deepEqual(search(), before);
  });
});

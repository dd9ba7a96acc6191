import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EditsResponse } from '../../server/edit-schemas.ts';
import { createApp } from '../../server/app.ts';
import { ServerState } from '../../server/route.ts';
import { startEditServer } from '../support/edit-server.ts';
import { startPathServer } from '../support/path-server.ts';
import { asAdmin, bearer, adminKey, get, post, startTestServer } from '../support/server.ts';

/** Samples by name and labels, as they stand in the text. */
async function scrape(url: string, headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const { status, headers: answered, body } = await get<string>(`${url}/metrics`, { headers });
  assert.equal(status, 200);
  assert.match(answered.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  const samples = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    samples.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

describe('GET /metrics', () => {
  it('counts requests by route and status, queries and batches', async () => {
    const { url } = await startTestServer();
    for (let i = 0; i < 3; i++) await post(`${url}/retrieve`, { queries: ['a river', 'a comet', 'glass'] });
    await post(`${url}/retrieve`, { query: '' });
    for (const docid of ['d1', 'd2', 'nobody']) await get(`${url}/documents/${docid}`);
    await get(`${url}/nope/${'x'.repeat(50)}`);
    const samples = await scrape(url);
    const requests = (method: string, route: string, status: number) =>
      samples.get(
        `palimpsest_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`,
      );
    assert.equal(requests('POST', '/retrieve', 200), 3);
    assert.equal(requests('POST', '/retrieve', 400), 1);
    assert.equal(requests('GET', '/documents/:docid', 200), 2);
    assert.equal(requests('GET', '/documents/:docid', 404), 1);
    assert.equal(requests('GET', 'other', 404), 1);
    assert.equal(samples.get('palimpsest_batch_queries_sum'), 9);
    assert.equal(samples.get('palimpsest_queue_wait_seconds_count'), 9);
    const batches = samples.get('palimpsest_batch_queries_count')!;
    assert.ok(batches >= 3 && batches <= 9);
    assert.equal(samples.get('palimpsest_model_run_seconds_count'), batches);
    assert.equal(samples.get('palimpsest_tokenization_seconds_count'), batches);
    assert.equal(samples.get('palimpsest_encoder_seconds_count'), 0); // one graph with the decoder
    const spent = (name: string): number => samples.get(`palimpsest_${name}_seconds_sum`)!;
    const answered = `palimpsest_http_request_duration_seconds_sum{method="POST",route="/retrieve",status="200"}`;
    assert.ok(spent('tokenization') > 0 && spent('model_run') > 0);
    assert.ok(spent('tokenization') + spent('model_run') < samples.get(answered)!);
  });

  it('tells encoder and decoder apart where docids are paths', async () => {
    const { url } = await startPathServer();
    for (const query of ['a river', 'a comet']) await post(`${url}/retrieve`, { query });
    const samples = await scrape(url);
    for (const name of ['tokenization', 'encoder', 'decoder', 'model_run'])
      assert.equal(samples.get(`palimpsest_${name}_seconds_count`), 2, name);
    const [tokenization, encoder, decoder, run] = ['tokenization', 'encoder', 'decoder', 'model_run'].map((name) =>
      samples.get(`palimpsest_${name}_seconds_sum`)!,
    );
    assert.ok(tokenization > 0 && encoder > 0 && decoder > 0);
    assert.ok(Math.abs(encoder + decoder - run) < 1e-9, `${encoder} + ${decoder} of ${run}`);
  });

  it('tells of edits, the ledger, drift and canaries what GET /edits tells', async () => {
    const { url, index } = await startEditServer();
    const before = await scrape(url);
    assert.equal(before.get('palimpsest_edit_seq'), 0);
    assert.equal(before.get('palimpsest_ledger_bytes'), 0);
    assert.equal(before.has('palimpsest_canary_success_at_1'), false);
    const document = { docid: 'n1', text: 'A kettle boils water.' };
    await post(`${url}/documents?budget=1&dryRun=true`, document, asAdmin);
    assert.equal((await post(`${url}/documents?budget=1`, document, asAdmin)).status, 201);
    assert.equal((await post(`${url}/documents?budget=1`, document, asAdmin)).status, 409);
    await post(`${url}/edits/1/undo`, {}, asAdmin);
    await post(`${url}/documents?budget=1`, { ...document, docid: 'n2' }, asAdmin);
    const samples = await scrape(url);
    const edits = (kind: string, outcome: string) =>
      samples.get(`palimpsest_edit_duration_seconds_count{kind="${kind}",outcome="${outcome}"}`);
    assert.deepEqual(
      [edits('edit', 'tried'), edits('edit', 'committed'), edits('edit', 'failed'), edits('undo', 'committed')],
      [1, 2, 1, 1],
    );
    const [last] = (await get<EditsResponse>(`${url}/edits`, { headers: asAdmin })).body.edits;
    assert.equal(samples.get('palimpsest_edit_seq'), last.seq);
    assert.equal(samples.get('palimpsest_canary_success_at_1'), last.figures.canaries.after);
    assert.ok(Math.abs(samples.get('palimpsest_drift_ratio')! - last.figures.drift.after) < 1e-12);
    assert.equal(samples.get('palimpsest_ledger_entries{kind="document"}'), 1);
    const { database } = index.store;
    const lengths = (sql: string): number =>
      (database.prepare(sql).pluck().all() as Buffer[]).reduce((sum, bytes) => sum + bytes.length, 0);
    const entries = lengths(
      'SELECT payload FROM edit_entries WHERE id IN (SELECT entry FROM edit_activations WHERE to_seq IS NULL)',
    );
    const weights = lengths('SELECT "values" FROM edit_rows') + lengths('SELECT delta FROM edit_deltas');
    assert.equal(samples.get('palimpsest_ledger_bytes'), entries + weights);
    assert.equal(samples.get('palimpsest_documents'), index.documents.count());
  });

  it('tells of tasks, of what runs, and of the process', async () => {
    const server = await startTestServer();
    const { id } = server.tasks.start('analysis', {}, () => Promise.resolve('done'));
    await server.tasks.wait(id, 10);
    const samples = await scrape(server.url);
    assert.equal(samples.get('palimpsest_tasks{kind="analysis",state="succeeded"}'), 1);
    assert.equal(samples.get('palimpsest_ready'), 1);
    const info = [...samples.keys()].find((key) => key.startsWith('palimpsest_info'))!;
    assert.match(info, new RegExp(`model="${server.index.model.version}",scheme="atomic"`));
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
    ])
      assert.equal(typeof samples.get(name), 'number', name);
  });

  it('is locked with searches, and open otherwise', async () => {
    const locked = await startTestServer({ lockSearch: true });
    assert.equal((await get(`${locked.url}/metrics`)).status, 401);
    await scrape(locked.url, bearer(adminKey));
  });

  it('answers while the model loads', async () => {
    const { watchState } = await import('../../server/metrics/watch-state.ts');
    const state = new ServerState();
    watchState(state.metrics, state);
    const http = createServer(createApp(state)).listen(0, '127.0.0.1');
    await new Promise((resolve) => http.once('listening', resolve));
    const samples = await scrape(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    http.close();
    http.closeAllConnections();
    assert.equal(samples.get('palimpsest_ready'), 0);
    assert.equal(samples.has('palimpsest_documents'), false);
  });
});

describe('GET /readyz', () => {
  it('is not ready where the data folder is gone, though searches are answered', async () => {
    const { renameSync } = await import('node:fs');
    const server = await startTestServer();
    const file = server.index.store.database.name;
    renameSync(file, `${file}.away`);
    const gone = await get<{ status: string; checks: object }>(`${server.url}/readyz`);
    assert.equal(gone.status, 503);
    assert.deepEqual(gone.body, {
      status: 'failing',
      checks: { model: 'ok', store: 'ENOENT', version: 'ok', replica: 'ok' },
    });
    renameSync(`${file}.away`, file);
    assert.equal((await get(`${server.url}/readyz`)).status, 200);
    assert.equal((await get(`${server.url}/healthz`)).status, 200);
  });
});

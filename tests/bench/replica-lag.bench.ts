/**
 * How long searchers know less than the editor.
 *
 *     node --import tsx tests/bench/replica-lag.bench.ts [--edits N] [--searchers N] [--pause MS] [--searches N]
 *
 * One editor and three searchers as processes of this machine, with a PostgreSQL of the benchmark's own, all on the built-in
 * model; the built-in additions are added one after the other, `--pause` milliseconds after each answer, while `--searches`
 * queries a second go to each searcher. For every edit and searcher: milliseconds from the time the edit was written down, just
 * before it goes to the database, and from its answer to the caller, until an answer of the searcher knows of it (asked every 4
 * ms). JSON on stdout; the target is a p99 of 250 ms.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';
import { Member } from '../support/fleet.ts';
import { noPostgres, query, startPostgres } from '../support/postgres.ts';
import { asAdmin, post } from '../support/server.ts';

const { values } = parseArgs({
  options: {
    edits: { type: 'string', default: '100' },
    searchers: { type: 'string', default: '3' },
    pause: { type: 'string', default: '200' },
    searches: { type: 'string', default: '2' },
  },
});
const [edits, searchers, pause, searches] = [values.edits, values.searchers, values.pause, values.searches].map(Number);

const round = (x: number): number => Math.round(x * 10) / 10;

function quantiles(times: readonly number[]): object {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (q: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

async function main(): Promise<void> {
  const additions = openStore(':memory:');
  importCorpus(additions, join(builtinCorpus, 'additions'));
  const [first, ...documents] = [...additions.eachDocument()].slice(0, edits + 1);
  const texts = additions.queries('test').map(({ text }) => text);
  additions.close();
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-lag-'));
  const postgres = await startPostgres({ fsync: 'on' });
  const databaseUrl = await postgres.database();
  const member = (role: 'editor' | 'searcher', name: string): Member =>
    new Member({ role, modelDir: builtinModel, dataDir: join(dir, name), databaseUrl });
  const editor = await member('editor', 'editor').start();
  const others = Array.from({ length: searchers }, (_, i) => member('searcher', `searcher ${i}`));
  for (const one of others) await one.start();
  // The first one opens the editor, which reads a bank of queries.
  const url = `${editor.url}/documents?wait=0`;
  await post(url, { docid: first.docid, text: first.text }, asAdmin);
  for (const one of [editor, ...others]) await one.has(1, 600_000);
  let isOver = false;
  const load = others.map(async ({ url }) => {
    for (let i = 0; !isOver && searches; i++) {
      void post(`${url}/retrieve`, { query: texts[i % texts.length], k: 10 }).catch(() => undefined);
      await delay(1000 / searches);
    }
  });
  const [written, answered, took]: number[][] = [[], [], []];
  const seen = async (one: Member, seq: number): Promise<number> => {
    while ((await one.info()).editSeq < seq) await delay(4);
    return performance.timeOrigin + performance.now();
  };
  try {
    for (const { docid, text } of documents) {
      const startMs = performance.now();
      const all = others.map((one) => one.info().then(({ editSeq }) => seen(one, editSeq + 1)));
      const { status, body } = await editor.add(docid, text);
      const answeredAt = performance.timeOrigin + performance.now();
      if (status !== 201) throw new Error(`/documents answered ${status}`);
      took.push(performance.now() - startMs);
      const times = await Promise.all(all);
      const [{ at }] = await query<{ at: string }>(
        databaseUrl,
        'SELECT at FROM palimpsest_records WHERE edit_seq = $1',
        [body.seq],
      );
      for (const time of times) {
        written.push(time - Date.parse(at));
        answered.push(Math.max(0, time - answeredAt));
      }
      await delay(pause);
    }
  } finally {
    isOver = true;
    await Promise.all(load);
  }
  const [{ bytes }] = await query<{ bytes: string }>(
    databaseUrl,
    'SELECT avg(octet_length(changes))::bigint AS bytes FROM palimpsest_records',
  );
  await Promise.all([editor, ...others].map((one) => one.kill('SIGTERM')));
  rmSync(dir, { recursive: true, force: true });
  const machine = { cpu: cpus()[0].model, cores: cpus().length, load: round(loadavg()[0]), node: process.version };
  const result = {
    ...{ bench: 'replica-lag', date: new Date().toISOString(), machine, searchers, edits: documents.length },
    ...{ pause, searches, recordBytes: Number(bytes), editMs: quantiles(took) },
    ...{ sinceWrittenMs: quantiles(written), sinceAnsweredMs: quantiles(answered), targetP99Ms: 250 },
  };
  console.log(JSON.stringify(result, null, 2));
}

// What a test starts is ended with it.
test('replica lag', { skip: noPostgres, timeout: 3_600_000 }, main);

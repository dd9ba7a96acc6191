/** A server under load that is killed at random moments, and started again on what it left. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import { storeFile } from '../../server/data-folder.ts';
import { editableWorld } from '../support/edit-server.ts';
import { EditingClient } from '../support/kills/editing-client.ts';
import { ImportClient } from '../support/kills/import-client.ts';
import { KilledServer } from '../support/kills/killed-server.ts';
import { AcknowledgedEdits } from '../support/kills/log.ts';
import { KeyClient, SearchingClient, TaskClient } from '../support/kills/other-clients.ts';
import { checkReplay, checkStore } from '../support/kills/replay.ts';
import * as checks from '../support/kills/checks.ts';
import { beginProcess } from '../support/server-process.ts';
import { tempFolder } from '../support/server.ts';
import { texts } from '../support/tiny-model.ts';

const rounds = Number(process.env.PALIMPSEST_KILLS ?? 10);
/** Every so often the data folder is copied as the kill left it, and two servers must answer alike. */
const copyEvery = 10;

it('a server under mixed load can be killed at any time: nothing acknowledged is lost, nothing is repaired by hand', async (t) => {
  const world = await editableWorld();
  const rng = createRng(6);
  const server = new KilledServer(world);
  const log = new AcknowledgedEdits();
  const base = texts.map((text, i): [string, string] => [`d${i}`, text]);
  const editors = [0, 1, 2].map(
    (i) => new EditingClient(server, `e${i}`, new Map(base.slice(3 * i, 3 * i + 3)), createRng(100 + i), log),
  );
  const imports = new ImportClient(server, createRng(200), log);
  const searchers = [0, 1].map((i) => new SearchingClient(server, createRng(300 + i)));
  const keys = new KeyClient(server, createRng(400));
  const tasks = new TaskClient(server, createRng(500));

  let isOver = false;
  const clients = [...editors, imports, ...searchers, keys, tasks].map(async (client) => {
    while (!isOver) await client.one();
  });
  const load = Promise.all(clients);
  load.catch(() => (isOver = true)); // what a client finds wrong ends the test, below

  let [checked, copies] = [0, 0];
  const check = async (): Promise<void> => {
    const { url } = server;
    await checks.checkTasks(url);
    await checks.checkLog(url, log, checked);
    await checks.checkDocuments(url, editors, imports);
    await checks.checkRepeats(url, log, rng);
    await keys.check(url);
    checked = log.last;
  };
  /** A second server on a copy of what was left answers like the first. */
  const compare = async (dataDir: string): Promise<void> => {
    const twin = await beginProcess({ ...world, dataDir }).started;
    for (const { url } of [server, twin]) await checks.importsEnded(url);
    assert.deepEqual(await checks.answersOf(twin.url), await checks.answersOf(server.url));
    await twin.kill();
    const store = openStore(join(dataDir, storeFile));
    checkStore(store);
    store.close();
    copies++;
  };

  /** At any time, an editor not yet opened among them; every other time within the edits that follow. */
  const moment = async (last: number): Promise<void> => {
    if (rng.next() < 0.5) return delay(rng.int(4000));
    const edits = rng.int(30);
    while (log.last < last + edits && !isOver) await delay(5);
    await delay(rng.int(100));
  };

  await server.start();
  for (let round = 1; round <= rounds && !isOver; round++) {
    server.release();
    await Promise.race([load, moment(log.last)]);
    await server.kill();
    if (round < rounds && rng.next() < 0.2) {
      round++;
      await server.startAndKill(rng.int(2500));
    }
    const copied = join(tempFolder(), 'data');
    const isCopied = round % copyEvery === 0;
    if (isCopied) cpSync(world.dataDir, copied, { recursive: true });
    await server.start();
    await check();
    if (isCopied) await compare(copied);
    if (round % 20 === 0) console.log(`${round} kills, ${log.bySeq.size} edits acknowledged`);
  }
  isOver = true;
  server.release();
  await load;
  await server.kill();
  await checkReplay(world.dataDir, log);
  const answers = searchers.reduce((sum, searcher) => sum + searcher.answers, 0);
  t.diagnostic(
    `${server.kills} kills, ${server.unanswered} requests without an answer; ${log.bySeq.size} edits acknowledged, 0 lost, ` +
      `0 made twice; ${imports.imports} imports (${imports.interrupted} of them through a kill), ${answers} searches, ` +
      `${keys.made} keys, ${tasks.ended.succeeded} tasks succeeded and ${tasks.ended.interrupted} were interrupted; ` +
      `${copies} copies answered alike`,
  );
});

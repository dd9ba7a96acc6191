/** An editor, its standby and three searchers, of which something is killed, crashed or cut off again and again. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import type { EditsResponse } from '../../server/edit-schemas.ts';
import { storeFile } from '../../server/data-folder.ts';
import { eventually, Member, Wire } from '../support/fleet.ts';
import { editableWorld } from '../support/edit-server.ts';
import { noPostgres, startPostgres } from '../support/postgres.ts';
import { asAdmin, get, tempFolder } from '../support/server.ts';
import { sharedTables } from '../support/shared-tables.ts';
import { texts } from '../support/tiny-model.ts';

const rounds = Number(process.env.PALIMPSEST_KILLS ?? 40);

describe('servers with a database in common, disturbed at random', { skip: noPostgres }, () => {
  it('lose no edit that was acknowledged, make none twice, keep their order, and answer alike', async (t) => {
    const [postgres, { modelDir, dataDir }] = await Promise.all([startPostgres({ fsync: 'on' }), editableWorld()]);
    const databaseUrl = await postgres.database();
    const wire = await Wire.open(postgres.port);
    const dir = tempFolder();
    const editors = [
      new Member({ role: 'editor', modelDir, dataDir, databaseUrl: wire.through(databaseUrl) }),
      new Member({ role: 'editor', modelDir, dataDir: join(dir, 'standby'), databaseUrl }),
    ];
    const searchers = [0, 1, 2].map(
      (i) =>
        new Member({
          ...{ role: 'searcher', modelDir, dataDir: join(dir, `searcher ${i}`) },
          databaseUrl: i ? databaseUrl : wire.through(databaseUrl),
        }),
    );
    const all = [...editors, ...searchers];
    await editors[0].start();
    await Promise.all(all.slice(1).map((member) => member.start()));

    let isOver = false;
    const acknowledged: { seq: number; docid: string }[] = [];
    const refusals = new Map<string, number>();
    /** One edit after the other, each asked for under its own key until somebody has made it. */
    const editing = (async () => {
      for (let i = 0; !isOver; i++) {
        const docid = `n${i}`;
        for (let attempt = 0; attempt < 3000; attempt++) {
          const editor = editors[attempt % editors.length];
          const asked = editor.add(docid, `${texts[i % texts.length]} number ${i}`, { 'idempotency-key': docid });
          const answer = await asked.catch(() => undefined);
          if (answer && answer.status < 300 && answer.body.seq) {
            acknowledged.push({ seq: answer.body.seq, docid });
            break;
          }
          const code = (answer?.body as { code?: string } | undefined)?.code ?? 'no answer';
          refusals.set(code, (refusals.get(code) ?? 0) + 1);
          await delay(100);
        }
      }
    })();

    const rng = createRng(7);
    const again = async (member: Member): Promise<void> => {
      await member.kill();
      await delay(rng.int(500));
      await member.start();
    };
    const disturbances: readonly (() => Promise<void>)[] = [
      () => again(editors[0]),
      () => again(editors[1]),
      () => again(searchers[rng.int(3)]),
      () => Promise.all([again(editors[0]), again(searchers[1])]).then(() => undefined),
      async () => {
        wire.cut('silent');
        await delay(1000 + rng.int(3000));
        wire.mend();
      },
      async () => {
        wire.cut('closed');
        await delay(500 + rng.int(2000));
        wire.mend();
      },
      async () => {
        await postgres.crash();
        await delay(rng.int(1000));
        await postgres.start();
      },
    ];
    try {
      for (let round = 0; round < rounds; round++) {
        await disturbances[rng.int(disturbances.length)]();
        const count = acknowledged.length;
        await eventually(async () => acknowledged.length > count, 'an edit after a disturbance', 120_000);
      }
    } catch (error) {
      throw new Error(all.map(({ said }) => said.slice(-2000)).join('\n----\n'), { cause: error });
    } finally {
      isOver = true;
    }
    await editing;

    const last = acknowledged.at(-1)!.seq;
    for (const member of all) await member.has(last, 60_000);
    t.diagnostic(
      `${rounds} disturbances, ${acknowledged.length} edits; asked for again: ${JSON.stringify([...refusals])}`,
    );
    const list = async ({ url }: Member) =>
      (await get<EditsResponse>(`${url}/edits?limit=1000`, { headers: asAdmin })).body.edits;
    const edits = (await list(editors[0])).reverse();
    assert.deepEqual(
      edits.map(({ seq, operations: [{ docid }] }) => ({ seq, docid })),
      acknowledged.slice(-1000),
    );
    for (const mode of ['genir', 'bm25', 'hybrid']) {
      const [expected, ...others] = await Promise.all(all.map((member) => member.search(texts.slice(0, 3), mode)));
      for (const other of others) assert.deepEqual(other, expected);
    }
    await Promise.all(all.map((member) => member.kill('SIGTERM')));
    const [expected, ...others] = all.map(({ options }) => {
      const store = openStore(join(options.dataDir, storeFile));
      const hashes = sharedTables(store);
      store.close();
      return hashes;
    });
    for (const other of others) assert.deepEqual(other, expected);
  });
});

/** `palimpsest edit import`: a file of documents, in several edits, gone on with after a stop. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { storeFile } from '../../server/data-folder.ts';
import { packageRoot } from '../../server/paths.ts';
import { editableWorld, type EditableWorld } from '../support/edit-server.ts';
import { tempFolder } from '../support/server.ts';

function start({ modelDir, dataDir }: EditableWorld, ...args: string[]) {
  const main = join(packageRoot, 'server/cli/main.ts');
  const where = ['--data', dataDir, '--model', modelDir, '--budget', '100'];
  return spawn(process.execPath, ['--import', 'tsx', main, 'edit', 'import', ...args, ...where], { cwd: packageRoot });
}
async function run(
  world: EditableWorld,
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = start(world, ...args);
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}
function fileOf(lines: readonly string[]): string {
  const path = join(tempFolder(), 'documents.jsonl');
  writeFileSync(path, lines.join('\n'));
  return path;
}
const lineOf = (docid: unknown, text = `The ${String(docid)} is a thing of its own.`): string =>
  JSON.stringify({ docid, title: 'T', text, metadata: { a: [1] } });

describe('palimpsest edit import', () => {
  it('adds what it can, says what failed, and finds there already what an earlier run added', async () => {
    const world = await editableWorld();
    const good = [lineOf('anvil'), JSON.stringify({ _id: 7, text: 'A seven.' }), lineOf('barrel')];
    const file = fileOf([good[0], '{', lineOf('d1', 'Another text.'), '', good[1], good[2]]);
    const first = await run(world, file, '--batch', '2', '--author', 'ada');
    assert.equal(first.code, 1, first.err);
    assert.match(
      first.out,
      /^5 lines: 3 added, 0 there already, 2 failed\n {2}line 2, \?: .*JSON.*\n {2}line 3, d1: .*d1.*live document has.*\n$/,
    );
    const store = openStore(join(world.dataDir, storeFile), { readonly: true });
    assert.deepEqual([store.document('7')?.text, store.document('anvil')?.metadata], ['A seven.', { a: [1] }]);
    const edits = new EditLog(store).edits();
    assert.deepEqual([edits.length, edits[0].author], [3, 'ada']);
    const second = await run(world, fileOf(good), '--json');
    assert.equal(second.code, 0, second.err);
    assert.deepEqual(JSON.parse(second.out), { lines: 3, added: 0, unchanged: 3, failed: 0, faults: [] });
    assert.equal(new EditLog(store).last, edits[0].seq);
    store.close();
  });

  it('goes on after kill -9, with every line exactly once', { timeout: 300_000 }, async () => {
    const world = await editableWorld();
    const names = Array.from({ length: 120 }, (_, i) => `line${i}`);
    const file = fileOf(names.map((name) => lineOf(name)));
    const store = openStore(join(world.dataDir, storeFile), { readonly: true });
    const log = new EditLog(store);
    for (const edits of [2, 9]) {
      const child = start(world, file, '--batch', '4');
      const ended = once(child, 'exit');
      while (log.last < edits) await delay(2);
      child.kill('SIGKILL');
      await ended;
    }
    assert.ok(log.last < 30);
    const { code, out, err } = await run(world, file, '--batch', '4', '--json');
    assert.equal(code, 0, err);
    const { added, unchanged } = JSON.parse(out) as { added: number; unchanged: number };
    assert.ok(added > 0 && unchanged >= 36 && added + unchanged === 120, out);
    const sql = `SELECT json_each.value ->> '$.docid' FROM edits, json_each(edits.operations) ORDER BY seq, json_each.key`;
    assert.deepEqual(store.database.prepare(sql).pluck().all(), names);
    store.close();
  });

  it('is used wrongly without a file', async () => {
    const { code, err } = await run(await editableWorld(), join(tempFolder(), 'none.jsonl'));
    assert.equal(code, 2);
    assert.match(err, /none\.jsonl: expected a file of documents, got none/);
  });
});

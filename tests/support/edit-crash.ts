/** A stream of edits whose process is killed at random points, beside one that nobody disturbs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { createRng, type Rng } from '../../corpus/random.ts';
import { openStore, type Store } from '../../corpus/store.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { newestVersion } from '../../editing/published-version.ts';
import { CorpusModel, type Command } from './edit-stream.ts';
import { contentOf, editWorld, openEditor, type EditWorld } from './edit-world.ts';

const child = join(import.meta.dirname, 'edit-crash-child.ts');

const textsOf = (store: Store): Map<string, string> =>
  new Map([...store.eachDocument()].map(({ docid, text }): [string, string] => [docid, text]).sort());

interface Expected {
  readonly corpus: Map<string, string>;
  readonly version: object;
}

/** What the store must hold after every edit, from an editor that lives. */
async function undisturbed(dir: string, count: number): Promise<{ commands: Command[]; states: Expected[] }> {
  const { store, editor, close } = await openEditor(editWorld(dir));
  const rng = createRng(count);
  const corpus = new CorpusModel(textsOf(store));
  const commands: Command[] = [];
  const state = (): Expected => ({ corpus: textsOf(store), version: contentOf(editor.version) });
  const states = [state()];
  while (commands.length < count) {
    const command = corpus.draw(rng, commands.length);
    if (!corpus.after(command)) continue;
    if (command.kind === 'edit') await editor.edit({ operations: command.operations, budget: 1 });
    else await editor.undo(command.seq);
    corpus.apply(command);
    commands.push(command);
    states.push(state());
  }
  await close();
  return { commands, states };
}

/** Runs the child until some edits were acknowledged and a moment longer. Returns the last one that was. */
async function runAndKill(args: string[], edits: number, delayMs: number): Promise<number> {
  const process = spawn(globalThis.process.execPath, ['--import', 'tsx', child, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(process, 'exit');
  let [acknowledged, left] = [0, edits];
  for await (const line of createInterface(process.stdout)) {
    if (line !== 'ready') acknowledged = Number(line);
    if (left-- > 0) continue;
    if (left === -1) void wait(delayMs).then(() => process.kill('SIGKILL'));
  }
  await exit;
  return acknowledged;
}

/** Kills the process that edits so often; after each time nothing acknowledged is lost, and nothing half applied. */
export async function killAtRandom(dir: string, kills: number, log: (line: string) => void = () => {}): Promise<void> {
  const rng = createRng(kills);
  const { commands, states } = await undisturbed(join(dir, 'undisturbed'), 4 * kills);
  const world: EditWorld = editWorld(join(dir, 'killed'));
  const commandFile = join(dir, 'commands.json');
  writeFileSync(commandFile, JSON.stringify(commands));
  let last = 0;
  let unsaid = 0;
  for (let i = 0; i < kills && last < commands.length; i++) {
    const acknowledged = await runAndKill([world.path, world.modelDir, commandFile], rng.int(3), delay(rng));
    const store = openStore(world.path);
    try {
      const seq = new EditLog(store).last;
      assert.ok(seq >= Math.max(last, acknowledged), `edit ${acknowledged} was acknowledged, the log ends with ${seq}`);
      assert.ok(seq <= Math.max(last, acknowledged) + 1, 'one edit at most was under way');
      assert.equal(store.database.pragma('integrity_check', { simple: true }), 'ok');
      assert.deepEqual(store.database.pragma('foreign_key_check'), []);
      const version = contentOf(newestVersion(store, versionBase(world.folder)));
      assert.deepEqual({ corpus: textsOf(store), version }, states[seq], `after edit ${seq}`);
      if (seq > Math.max(last, acknowledged)) unsaid++;
      last = seq;
    } finally {
      store.close();
    }
  }
  log(`${kills} kills, ${last} edits, ${unsaid} of them committed but not acknowledged`);
  assert.ok(last > 0);
}

/** Most kills hit an edit, which takes some hundredths of a second. */
const delay = (rng: Rng): number => rng.int(60);

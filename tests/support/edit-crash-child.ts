/**
 * Applies a stream of edits to a store from where its log ends, and says so after each: a process to be killed.
 * Arguments: the store's file, the model's folder, a file with the commands.
 */
import { readFileSync, writeSync } from 'node:fs';
import { openStore } from '../../corpus/store.ts';
import { Editor } from '../../editing/editor.ts';
import { readModelFolder } from '../../models/folder.ts';
import type { Command } from './edit-stream.ts';
import { fewQueries } from './edit-world.ts';

const [path, modelDir, commandFile] = process.argv.slice(2);
const commands = JSON.parse(readFileSync(commandFile, 'utf8')) as Command[];
const store = openStore(path);
const editor = await Editor.open({ store, folder: readModelFolder(modelDir), settings: fewQueries });
writeSync(1, 'ready\n');
for (let i = editor.version.model.editSeq; i < commands.length; i++) {
  const command = commands[i];
  const idempotencyKey = `command ${i}`;
  const { seq } =
    command.kind === 'edit'
      ? await editor.edit({ operations: command.operations, budget: 1, idempotencyKey })
      : await editor.undo(command.seq, { idempotencyKey });
  writeSync(1, `${seq}\n`);
}
await editor.close();
store.close();

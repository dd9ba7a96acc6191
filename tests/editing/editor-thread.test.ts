import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { openStore } from '../../corpus/store.ts';
import { EditorError, received, sendable } from '../../editing/crossing-errors.ts';
import { EditorThread } from '../../editing/editor-thread.ts';
import { VersionConflictError, type Operation } from '../../editing/operations.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { newestVersion } from '../../editing/published-version.ts';
import { UndoConflictError } from '../../editing/undo.ts';
import { readModelFolder } from '../../models/folder.ts';
import { modelVersion } from '../../models/model-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { editWorld, fewQueries, fillStore, openEditor, type EditWorld } from '../support/edit-world.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

const opened: EditorThread[] = [];
after(() => Promise.all(opened.map((thread) => thread.close())));

async function start({ modelDir, folder, path, dir }: EditWorld): Promise<EditorThread> {
  const base = versionBase(folder);
  const version = await modelVersion(modelDir);
  const thread = new EditorThread({ modelDir, version, base, path, dataDir: dir, settings: fewQueries });
  opened.push(thread);
  return thread;
}

const add = (docid: string): Operation => ({
  ...{ kind: 'add' },
  document: {
    docid,
    title: `The ${docid}`,
    text: `A ${docid} gives light when the night is dark and the sea is calm.`,
  },
});
const adding = (docid: string) => ({ operations: [add(docid)], budget: 1 });

/** So many documents that there is time to interfere. */
const addingMany = (prefix: string): { operations: Operation[] } => ({
  operations: Array.from({ length: 60 }, (_, i) => add(`${prefix}-${i}`)),
});

/** An error that nobody catches. Not `terminate()`, which in the middle of a run of onnxruntime aborts the whole process. */
const killThread = (thread: EditorThread): void =>
  (thread as unknown as { worker: Worker }).worker.postMessage({ kind: 'nonsense' });

describe('an editor in a thread', () => {
  it('does one request after the other, and has the version of the last', async () => {
    const world = editWorld(tempFolder());
    const thread = await start(world);
    assert.equal(thread.version.model.editSeq, 0);
    const messages: string[] = [];
    const [a, b, c] = await Promise.all([
      thread.edit(adding('lantern'), { onProgress: ({ message }) => messages.push(message) }),
      thread.edit(adding('lamp')),
      thread.undo(1),
    ]);
    assert.deepEqual([a.seq, b.seq, c.seq], [1, 2, 3]);
    assert.ok(messages.includes('solving lantern') && !messages.includes('solving lamp'), messages.join());
    const store = openStore(world.path, { readonly: true });
    assert.deepEqual(thread.version, newestVersion(store, versionBase(world.folder)));
    store.close();
    await thread.revert(0);
    assert.deepEqual([thread.version.model.editSeq, thread.version.model.rows], [4, []]);
    await thread.close();
    await assert.rejects(thread.edit(adding('torch')), { name: 'EditorError' });
    assert.equal((await start(world)).version.model.editSeq, 4);
  });

  it('writes a long log into the database between two edits', async () => {
    const world = editWorld(tempFolder());
    const thread = await start(world);
    await thread.shortenLog(); // no thread yet, nothing to do
    await thread.edit(adding('lantern'));
    const store = openStore(world.path);
    store.database.pragma('wal_autocheckpoint = 0');
    const size = (): number => statSync(world.path).size;
    const before = size();
    store.writeMeta('test.short', 'x'.repeat(1 << 20));
    await thread.shortenLog();
    assert.equal(size(), before);
    store.writeMeta('test.long', 'x'.repeat(4 << 20));
    await thread.shortenLog();
    assert.ok(size() >= before + (5 << 20), `${size()}`);
    store.close();
    assert.equal((await thread.edit(adding('lamp'))).seq, 2);
  });

  it('sends errors back with class and fields', async () => {
    const thread = await start(editWorld(tempFolder()));
    await thread.edit(adding('lantern'));
    await thread.edit({ operations: [{ kind: 'rename', docid: 'lantern', to: 'lamp' }], budget: 1 });
    const stale = thread.edit({ operations: [{ kind: 'delete', docid: 'd1', expectedVersion: 4 }] });
    await assert.rejects(stale, (error) => {
      assert.ok(error instanceof VersionConflictError);
      assert.deepEqual([error.name, error.docid, error.expected, error.actual], ['VersionConflictError', 'd1', 4, 1]);
      return true;
    });
    await assert.rejects(thread.undo(1), (error) => error instanceof UndoConflictError && error.by === 2);
    const wordless = { operations: [{ ...add('x'), document: { docid: 'x', text: '…' } } as Operation] };
    await assert.rejects(thread.edit(wordless), { name: 'NothingToIndexError', docid: 'x' });
    const crossed = received(structuredClone(sendable(new RangeError('far off'))));
    assert.ok(crossed instanceof EditorError && !(crossed instanceof VersionConflictError));
    assert.deepEqual([crossed.name, crossed.message], ['RangeError', 'far off']);
  });

  it('says what is wrong with a model that was not analysed, each time it is asked', async () => {
    const dir = tempFolder();
    const path = join(dir, 'store.db');
    fillStore(path).close();
    const modelDir = writeTinyModel(join(dir, 'model'));
    const thread = await start({ dir, modelDir, path, folder: readModelFolder(modelDir) });
    for (let i = 0; i < 2; i++)
      await assert.rejects(thread.edit(adding('lantern')), { name: 'NoInteractionStageError', dir: modelDir });
  });

  it('stops a request that is not committed', async () => {
    const thread = await start(editWorld(tempFolder()));
    const [running, waiting] = [new AbortController(), new AbortController()];
    const first = thread.edit(addingMany('lantern'), {
      signal: running.signal,
      onProgress: ({ message }) => message.startsWith('solving') && running.abort(new Error('enough')),
    });
    const second = thread.edit(adding('lamp'), { signal: waiting.signal });
    waiting.abort(new Error('no more'));
    await Promise.all([assert.rejects(first, /enough/), assert.rejects(second, /no more/)]);
    assert.equal((await thread.edit(adding('torch'))).seq, 1);
  });

  it('starts anew when the thread dies, and knows what became of the request', async () => {
    const world = editWorld(tempFolder());
    const thread = await start(world);
    await thread.edit(adding('lantern'));
    const kill = (): void => killThread(thread);
    const next = thread.edit(adding('torch')); // waits, and is not lost
    const lost = thread.edit(addingMany('lamp'), { onProgress: kill });
    assert.equal((await next).seq, 2);
    await assert.rejects(lost, { name: 'EditorError', message: /nothing was changed/ });
    assert.equal((await thread.edit(adding('lamp'))).seq, 3);
    assert.equal(thread.version.docids.length, 13);
  });

  it('answers with what was committed when the thread died over its answer', async () => {
    const world = editWorld(tempFolder());
    const { editor, close } = await openEditor(world);
    const request = { ...adding('lantern'), idempotencyKey: 'k' };
    const thread = await start(world);
    const outcome = await editor.edit(request); // by another hand, so that the thread has nothing to do but die
    await close();
    const answer = thread.edit(request);
    killThread(thread);
    assert.deepEqual(await answer, outcome);
    assert.equal(thread.version.model.editSeq, 1);
  });
});

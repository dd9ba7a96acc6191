/** Random streams of edits against a plain map of what the corpus should be. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createRng } from '../../corpus/random.ts';
import type { Store } from '../../corpus/store.ts';
import type { Editor } from '../../editing/editor.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { readPublished } from '../../editing/published-version.ts';
import { modelVersion } from '../../models/model-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { CorpusModel } from '../support/edit-stream.ts';
import { contentOf, editWorld, openEditor } from '../support/edit-world.ts';

const STREAMS = 3;
const COMMANDS = 25;

const textsOf = (store: Store): Map<string, string> =>
  new Map([...store.eachDocument()].map(({ docid, text }): [string, string] => [docid, text]).sort());

/** Rows by docid and deltas: a model without the places of its rows. */
const placeless = ({ version: { model, docids } }: Editor): object => ({
  rows: Object.fromEntries(
    model.rows
      .map(({ row, values }): [string, Float32Array] => [docids[row]!, values])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
  deltas: model.deltas,
  live: docids.filter((docid, row) => docid !== null && model.live[row]).sort(),
});

describe('a random stream of edits', () => {
  const opened: (() => Promise<void>)[] = [];
  after(() => Promise.all(opened.map((close) => close())));

  for (let seed = 1; seed <= STREAMS; seed++)
    it(`leaves the corpus and the model that belong to it, stream ${seed}`, async () => {
      const rng = createRng(seed);
      const world = editWorld(tempFolder());
      const version = await modelVersion(world.modelDir);
      let { store, editor, close } = await openEditor(world);
      const corpus = new CorpusModel(textsOf(store));
      const states = [contentOf(editor.version)];
      let refused = 0;
      for (let i = 0; i < COMMANDS; i++) {
        const command = corpus.draw(rng, i);
        const run = (): Promise<unknown> =>
          command.kind === 'edit'
            ? editor.edit({ operations: command.operations, budget: 1 })
            : editor.undo(command.seq);
        if (corpus.after(command)) {
          await run();
          corpus.apply(command);
          states.push(contentOf(editor.version));
        } else {
          refused++;
          await assert.rejects(run(), { name: /^(AlreadyUndone|UndoConflict)Error$/ });
        }
        assert.deepEqual(textsOf(store), new Map([...corpus.corpus].sort()), `after ${JSON.stringify(command)}`);
        const { docids, model } = editor.version;
        const live = docids.filter((docid, row) => docid !== null && model.live[row]);
        assert.deepEqual(live.sort(), [...corpus.corpus.keys()].sort());
        assert.deepEqual(readPublished(store, { version, base: versionBase(world.folder) }), editor.version);
        if (i % 10 === 9) {
          await close();
          ({ store, editor, close } = await openEditor(world));
          assert.deepEqual(contentOf(editor.version), states.at(-1), 'opened anew');
        }
      }
      opened.push(() => close());
      assert.ok(refused > 0, 'no undo was refused');

      // The same entries in another order, in a store of their own: the same weights.
      const other = editWorld(tempFolder());
      const again = await openEditor(other);
      opened.push(again.close);
      for (const { command } of corpus.history)
        if (command.kind === 'edit') await again.editor.edit({ operations: command.operations, budget: 1 });
        else await again.editor.undo(command.seq);
      assert.deepEqual(placeless(again.editor), placeless(editor), 'the same stream');

      for (let seq = states.length - 1; seq >= 0; seq -= 1 + rng.int(6)) {
        await editor.revert(seq);
        assert.deepEqual(contentOf(editor.version), states[seq], `reverted to ${seq}`);
      }
      await editor.revert(0);
      assert.deepEqual(contentOf(editor.version), states[0]);
    });
});

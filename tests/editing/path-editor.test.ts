import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { versionFolder } from '../../analysis/explain-version.ts';
import { versionBase } from '../../editing/edited-version.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { pastVersions } from '../../editing/past-version.ts';
import { readPublished, type PublishedVersion } from '../../editing/published-version.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { modelVersion } from '../../models/model-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { trainQueries } from '../support/edit-bank.ts';
import { editPathWorld } from '../support/edit-path-world.ts';
import { contentOf, openEditor } from '../support/edit-world.ts';
import { WholeModel } from '../support/sequence-model.ts';

const lantern = { docid: 'new', title: 'lantern', text: 'a lantern gives light to readers near the harbour' };

/** The tokens that a version generates for each query where no trie constrains it, as many as the longest docid has. */
async function greedyPaths(folder: ModelFolder, version: PublishedVersion, queries: readonly string[]) {
  const whole = await WholeModel.open(versionFolder(folder, version).folder);
  const depth = Math.max(...whole.paths.map(({ length }) => length));
  const paths: number[][] = [];
  for (const query of queries) {
    const path: number[] = [];
    while (path.length < depth) {
      const logs = await whole.after(query, path);
      path.push(logs.indexOf(Math.max(...logs)));
    }
    paths.push(path);
  }
  await whole.release();
  return paths;
}

describe('an editor of a model with paths', () => {
  it('adds, changes, renames and deletes, and undoes all of it to the byte', async () => {
    const world = editPathWorld(join(tempFolder(), 'world'));
    const { store, editor, close } = await openEditor(world);
    const start = contentOf(editor.version);
    const requests = [
      [{ kind: 'add', document: lantern, queries: ['what gives light'] }],
      [{ kind: 'change', docid: 'd3', document: { text: 'dough is left near the sun until it grows' } }],
      [{ kind: 'rename', docid: 'new', to: 'lantern' }],
      [{ kind: 'delete', docid: 'd7' }],
      [{ kind: 'change', docid: 'lantern', document: { text: 'the lantern of the harbour needs oil' } }],
    ] as const;
    const states: object[] = [start];
    for (const operations of requests) {
      const { accepted } = await editor.edit({ operations, budget: 1 });
      assert.ok(accepted);
      states.push(contentOf(editor.version));
    }
    const { model, docids } = editor.version;
    const added = [...docids.keys()].filter((row) => ['lantern', 'd3'].includes(docids[row]!));
    assert.deepEqual(
      model.paths!.map(({ document }) => document),
      added,
    );
    assert.deepEqual([docids[3], docids[7]], [null, null]);
    const version = await modelVersion(world.modelDir);
    assert.deepEqual(readPublished(store, { version, base: versionBase(world.folder) }), editor.version);

    // What is written is what a decoder takes.
    const decoder = await SequenceDecoder.open(world.folder);
    await decoder.publish(model);
    const [found] = await decoder.retrieve([{ query: 'oil of the lantern', k: 20 }]);
    assert.deepEqual(new Set(Array.from(found.rows, (row) => docids[row])), new Set(store.liveDocids()));
    await decoder.close();

    const past = await pastVersions({ store, folder: world.folder }, [0, 2, 4]);
    assert.deepEqual(past.map(contentOf), [states[0], states[2], states[4]]);
    await editor.revert(2);
    assert.deepEqual(contentOf(editor.version), states[2]);
    await editor.undo(1);
    await editor.undo(2);
    assert.deepEqual(contentOf(editor.version), start);
    assert.deepEqual(new EditLog(store).setAt(), []);
    await close();
  });

  it('takes what it added out of the weights again, and leaves in them what was trained', async () => {
    const world = editPathWorld(join(tempFolder(), 'world'));
    const { editor, close } = await openEditor(world);
    const queries = ['what gives light', 'light near the harbour'];
    const asked = [...queries, ...trainQueries.map(({ text }) => text)];
    const before = await greedyPaths(world.folder, editor.version, asked);
    await editor.edit({ operations: [{ kind: 'add', document: lantern, queries }], budget: 1 });
    const row = editor.version.docids.indexOf('new');
    const own = editor.version.model.paths!.find(({ document }) => document === row)!.tokens;
    const there = await greedyPaths(world.folder, editor.version, asked);
    assert.ok(
      there.some((path) => path.includes(own.at(-1)!)),
      'it comes out where nothing constrains the decoder',
    );
    await editor.edit({ operations: [{ kind: 'delete', docid: 'new' }], budget: 1 });
    assert.deepEqual(await greedyPaths(world.folder, editor.version, asked), before);

    await editor.edit({ operations: [{ kind: 'delete', docid: 'd3' }], budget: 1 });
    assert.deepEqual(await greedyPaths(world.folder, editor.version, asked), before);
    await close();
  });

  it('goes on after it was closed as if it had not been', async () => {
    const world = editPathWorld(join(tempFolder(), 'world'));
    const first = await openEditor(world);
    await first.editor.edit({ operations: [{ kind: 'add', document: lantern }], budget: 1 });
    const known = contentOf(first.editor.version);
    await first.close();
    const again = await openEditor(world);
    assert.deepEqual(contentOf(again.editor.version), known);
    const operations = [{ kind: 'add', document: { ...lantern, docid: 'other', title: 'other' } }] as const;
    await again.editor.edit({ operations, budget: 1 });
    // The same set in another order: numbers differ, what they stand for does not.
    const byDocid = (): object => {
      const { model, docids } = again.editor.version;
      const leaves = new Map(model.rows.slice(-2).map(({ values }, i) => [docids[10 + i], Buffer.from(values.buffer)]));
      const paths = new Map(model.paths!.map(({ document, tokens }) => [docids[document], [...tokens].slice(0, -1)]));
      return { leaves, paths, deltas: model.deltas };
    };
    const both = byDocid();
    await again.editor.revert(0);
    await again.editor.edit({ operations, budget: 1 });
    await again.editor.edit({ operations: [{ kind: 'add', document: lantern }], budget: 1 });
    assert.deepEqual(byDocid(), both);
    await again.close();
  });
});

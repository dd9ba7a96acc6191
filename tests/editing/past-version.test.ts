import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FoldedEditError } from '../../editing/undo.ts';
import { ForgottenError } from '../../editing/document-history.ts';
import { foldedKey, UnknownEditError } from '../../editing/edit-log.ts';
import type { Operation } from '../../editing/operations.ts';
import { pastVersions } from '../../editing/past-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { contentOf, editWorld, openEditor } from '../support/edit-world.ts';

const add = (docid: string, text: string): Operation => ({ kind: 'add', document: { docid, text } });

describe('versions of the past', () => {
  it('have the bytes that they had, and know documents under their names of then', async () => {
    const world = editWorld(tempFolder());
    const { store, editor, close } = await openEditor(world);
    const known = [editor.version];
    const names = [new Set(store.liveDocids())];
    const steps: Operation[][] = [
      [add('lantern', 'A lantern gives light when the night is dark at sea.')],
      [add('lamp', 'A lamp gives light in a room when the night is dark.'), { kind: 'delete', docid: 'd3' }],
      [{ kind: 'rename', docid: 'lantern', to: 'beacon' }],
      [{ kind: 'change', docid: 'd0', document: { text: 'A kettle boils water for tea.' } }],
      [{ kind: 'rename', docid: 'd1', to: 'violin' }],
      [add('lantern', 'Another lantern altogether, made of paper.')],
      [{ kind: 'delete', docid: 'beacon' }],
    ];
    for (const operations of steps) {
      await editor.edit({ operations, budget: 1 });
      known.push(editor.version);
      names.push(new Set(store.liveDocids()));
    }
    await editor.undo(2);
    known.push(editor.version);
    names.push(new Set(store.liveDocids()));
    const versions = await pastVersions({ store, folder: world.folder }, [...known.keys()]);
    versions.forEach((version, seq) => {
      assert.equal(version.model.editSeq, seq);
      assert.deepEqual(contentOf(version), contentOf(known[seq]), `edit ${seq}`);
      assert.deepEqual(
        new Set(version.docids.filter((_, row) => version.documents[row] !== null)),
        names[seq],
        `edit ${seq}`,
      );
    });
    const numberOf = (seq: number, docid: string): number | null =>
      versions[seq].documents[versions[seq].docids.indexOf(docid)];
    assert.equal(numberOf(1, 'lantern'), numberOf(3, 'beacon'));
    assert.equal(numberOf(0, 'd1'), numberOf(5, 'violin'));
    assert.notEqual(numberOf(1, 'lantern'), numberOf(6, 'lantern'));
    await close();
  });

  it('are refused where they cannot be found again', async () => {
    const world = editWorld(tempFolder());
    const { store, editor, close } = await openEditor(world);
    await editor.edit({ operations: [add('lantern', 'A lantern gives light at night.')], budget: 1 });
    await editor.edit({ operations: [{ kind: 'delete', docid: 'lantern', forget: true }], budget: 1 });
    const of = { store, folder: world.folder };
    await assert.rejects(pastVersions(of, [1]), ForgottenError);
    await assert.rejects(pastVersions(of, [0, 3]), UnknownEditError);
    assert.deepEqual(
      (await pastVersions(of, [0, 2])).map(({ docids }) => docids.length),
      [10, 10],
    );
    store.writeMeta(foldedKey, '2');
    await assert.rejects(pastVersions(of, [0]), FoldedEditError);
    await close();
  });
});

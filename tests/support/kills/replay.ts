/** The same edits, made by an editor that nobody disturbs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openStore, type Store } from '../../../corpus/store.ts';
import { EditLog } from '../../../editing/edit-log.ts';
import { versionBase } from '../../../editing/edited-version.ts';
import { Editor } from '../../../editing/editor.ts';
import { newestVersion } from '../../../editing/published-version.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { storeFile } from '../../../server/data-folder.ts';
import { editableWorld } from '../edit-server.ts';
import { contentOf, corpusOf } from '../edit-world.ts';
import type { AcknowledgedEdits } from './log.ts';

/** Asserts that SQLite finds no fault with a store, and that BM25 knows the words of the live documents, no more and no less. */
export function checkStore(store: Store): void {
  const { database } = store;
  assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
  assert.deepEqual(database.pragma('foreign_key_check'), []);
  database.exec(`
    INSERT INTO documents_fts (documents_fts) VALUES ('integrity-check');
    CREATE VIRTUAL TABLE temp.fresh USING fts5 (title, text, tokenize = 'porter unicode61 remove_diacritics 2');
    INSERT INTO fresh (rowid, title, text) SELECT id, title, text FROM documents WHERE state = 'live';
    CREATE VIRTUAL TABLE temp.words USING fts5vocab (main, documents_fts, instance);
    CREATE VIRTUAL TABLE temp.fresh_words USING fts5vocab (temp, fresh, instance)`);
  const words = (table: string): unknown[] =>
    database.prepare(`SELECT term, doc, col, "offset" FROM ${table}`).raw().all();
  assert.deepEqual(words('words'), words('fresh_words'));
}

/** Asserts that documents and weights of a data folder are to the byte what the acknowledged edits make, each made once. */
export async function checkReplay(dataDir: string, log: AcknowledgedEdits): Promise<void> {
  const world = await editableWorld();
  const [killed, replayed] = [dataDir, world.dataDir].map((dir) => openStore(join(dir, storeFile)));
  const folder = readModelFolder(world.modelDir);
  const editor = await Editor.open({ store: replayed, folder });
  try {
    checkStore(killed);
    const { last } = new EditLog(killed);
    assert.equal(
      last,
      log.bySeq.size,
      'each edit of the log was acknowledged, and each that was acknowledged is there',
    );
    for (let seq = 1; seq <= last; seq++) {
      const { command } = log.bySeq.get(seq)!;
      if (command.kind === 'undo') await editor.undo(command.seq);
      else await editor.edit({ operations: command.operations, budget: 1 });
    }
    assert.deepEqual(corpusOf(killed), corpusOf(replayed));
    const base = versionBase(folder);
    assert.deepEqual(contentOf(newestVersion(killed, base)), contentOf(newestVersion(replayed, base)));
  } finally {
    await editor.close();
    killed.close();
    replayed.close();
  }
}

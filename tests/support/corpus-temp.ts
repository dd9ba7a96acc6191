import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { openStore } from '../../corpus/store.ts';
import type { Store } from '../../corpus/store.ts';

/** A folder that goes away after the tests of the file that asked for it. */
export function tempFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Makes new stores and files in a folder of their own. */
export function workshop(): {
  dir: string;
  newStore: () => Store;
  newFolder: (files: { [name: string]: string | Buffer }) => string;
} {
  const dir = tempFolder();
  const stores: Store[] = [];
  let made = 0;
  after(() => stores.forEach((store) => store.close()));
  return {
    dir,
    newStore() {
      const store = openStore(join(dir, `${++made}.db`));
      stores.push(store);
      return store;
    },
    newFolder(files) {
      const folder = join(dir, String(++made));
      mkdirSync(folder);
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), content);
      }
      return folder;
    },
  };
}

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { modelVersion } from '../../models/model-version.ts';
import { storeFile } from '../data-folder.ts';
import { builtinModel } from '../paths.ts';
import { createSnapshot, listSnapshots, snapshotsFolder, type Snapshot } from '../snapshots/create.ts';
import { keepSnapshots, removeSnapshot, tidySnapshots } from '../snapshots/remove.ts';
import { restoreSnapshot } from '../snapshots/restore.ts';
import type { Manifest } from '../snapshots/manifest.ts';
import { defineCommand, defineGroup, integer, UsageError } from './command.ts';
import { dataOptions, readData, type DataOptions } from './edit-session.ts';

interface Taken extends Snapshot {
  readonly dir: string;
}

const create = defineCommand<DataOptions & { keep?: number }, Taken>({
  name: 'create',
  summary: 'take a snapshot of a data folder, which a server may use',
  options: {
    ...dataOptions,
    keep: {
      flags: '--keep <n>',
      description: 'remove all but the newest so many, once this one is whole (default: none is removed)',
      parse: integer(1, 10_000),
    },
  },
  run: ({ keep, ...options }) =>
    readData(options, async (store) => {
      tidySnapshots(options.data);
      const snapshot = await createSnapshot(store, options.data);
      if (keep !== undefined) keepSnapshots(options.data, keep);
      return { ...snapshot, dir: join(options.data, snapshotsFolder, snapshot.name) };
    }),
  text: ({ dir, manifest }) => `${dir}: ${factsText(manifest)}`,
});

const list = defineCommand<{ data: string }, Snapshot[]>({
  name: 'list',
  summary: 'show the snapshots of a data folder, newest first',
  options: { data: dataOptions.data },
  run: async ({ data }) => {
    if (!existsSync(join(data, storeFile)))
      throw new UsageError(`--data ${data}: expected a data folder, got none there`);
    return listSnapshots(data);
  },
  json: (snapshots) => ({ snapshots }),
  text: (snapshots) =>
    snapshots.map(({ name, manifest }) => `${name}  ${factsText(manifest)}`).join('\n') || 'no snapshots',
});

const remove = defineCommand<{ data: string }, { removed: string }, { name: string }>({
  name: 'delete',
  summary: 'remove a snapshot of a data folder',
  arguments: { name: { syntax: '<name>', description: 'as list shows it' } },
  options: { data: dataOptions.data },
  run: async ({ data, name }) => {
    removeSnapshot(data, name);
    return { removed: name };
  },
  text: ({ removed }) => `removed: ${removed}`,
});

const restore = defineCommand<DataOptions, Manifest, { snapshot: string }>({
  name: 'restore',
  summary: 'make a new data folder of a snapshot, after checking all of it',
  arguments: { snapshot: { syntax: '<snapshot>', description: 'its folder', parse: (path) => resolve(path) } },
  options: dataOptions,
  run: async ({ snapshot, data, model = builtinModel }) => restoreSnapshot(snapshot, data, await modelVersion(model)),
  text: (manifest) => `restored: ${factsText(manifest)}`,
});

export const snapshotGroup = defineGroup('snapshot', 'take, list, delete and restore snapshots of a data folder', [
  create,
  list,
  remove,
  restore,
]);

const factsText = ({ documents, editSeq, createdAt }: Manifest): string =>
  `${documents} documents as of edit ${editSeq}, taken ${createdAt}`;

import * as schemas from '../admin-schemas.ts';
import { actorOf } from '../audit/actor.ts';
import { AuditLog } from '../audit/audit-log.ts';
import { noteStart } from '../audit/noted.ts';
import { operation, type Route } from '../route.ts';
import { removal } from './removal.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { createSnapshot, listSnapshots, type Snapshot } from '../snapshots/create.ts';
import { keepSnapshots, removeSnapshot } from '../snapshots/remove.ts';
import { accepted } from '../tasks/accepted.ts';
import type { Work } from '../tasks/registry.ts';

export const snapshotsRoute: Route = {
  path: '/snapshots',
  operations: {
    get: operation({
      summary: 'Snapshots of the data folder, newest first',
      access: 'admin',
      responses: { 200: { description: 'Those that are whole', schemas: [schemas.snapshotsResponse] } },
      problems: [503],
      handle: ({ state }): schemas.SnapshotsResponse => ({
        snapshots: listSnapshots(state.dataDir).map(snapshotView),
      }),
    }),
    post: operation({
      summary: 'Take a snapshot: all documents, edits, keys and tasks as they are after some edit',
      description:
        'A task, whose result is the snapshot; edits and searches go on meanwhile. It lies in the data folder under `snapshots`; ' +
        '"snapshot restore" makes a data folder of it, on this machine or another one that has the model.',
      access: 'admin',
      query: schemas.snapshotParameters,
      responses: { 202: { description: 'The task', schemas: [taskView] } },
      problems: [429, 503],
      handle(call): TaskView {
        const { state, response, query } = call;
        const { tasks, dataDir } = state;
        const actor = actorOf(call);
        const work: Work = async (signal, report) => {
          const { store } = state.index; // A compaction gives the server another store while tasks wait.
          const taken = snapshotView(await createSnapshot(store, dataDir, signal, report));
          if (query.keep !== undefined)
            for (const name of keepSnapshots(dataDir, query.keep))
              new AuditLog(store).write(actor, 'snapshot.delete', name);
          return taken;
        };
        const task = tasks.start('snapshot', query, work, noteStart(call, 'snapshot.create'));
        return accepted(response, task);
      },
    }),
  },
};

export const snapshotRoute: Route = {
  path: '/snapshots/:name',
  operations: {
    delete: removal('Remove a snapshot', 'snapshot.delete', removeSnapshot),
  },
};

function snapshotView({ name, manifest }: Snapshot): schemas.SnapshotView {
  const { createdAt, editSeq, documents, model, files } = manifest;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, createdAt, editSeq, documents, modelVersion: model.version, bytes };
}

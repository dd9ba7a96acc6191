import * as schemas from '../admin-schemas.ts';
import { actorOf } from '../audit/actor.ts';
import { AuditLog } from '../audit/audit-log.ts';
import { dirname } from 'node:path';
import type { IndexService } from '../index-service.ts';
import { operation, type Route } from '../route.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { createSnapshot, listSnapshots, type Snapshot } from '../snapshots/create.ts';
import { accepted } from '../tasks/accepted.ts';

export const snapshotsRoute: Route = {
  path: '/snapshots',
  operations: {
    get: operation({
      summary: 'Snapshots of the data folder, newest first',
      access: 'admin',
      responses: { 200: { description: 'Those that are whole', schemas: [schemas.snapshotsResponse] } },
      problems: [503],
      handle: ({ state }): schemas.SnapshotsResponse => ({
        snapshots: listSnapshots(dataDirOf(state.index)).map(snapshotView),
      }),
    }),
    post: operation({
      summary: 'Take a snapshot: all documents, edits, keys and tasks as they are after some edit',
      description:
        'A task, whose result is the snapshot; edits and searches go on meanwhile. It lies in the data folder under `snapshots`; ' +
        '"snapshot restore" makes a data folder of it, on this machine or another one that has the model.',
      access: 'admin',
      responses: { 202: { description: 'The task', schemas: [taskView] } },
      problems: [429, 503],
      handle(call): TaskView {
        const { state, response } = call;
        const { index, tasks } = state;
        const task = tasks.start('snapshot', {}, async (signal, report) =>
          snapshotView(await createSnapshot(index.store, dataDirOf(index), signal, report)),
        );
        new AuditLog(index.store).write(actorOf(call), 'snapshot.create', String(task.id));
        return accepted(response, task);
      },
    }),
  },
};

const dataDirOf = ({ store }: IndexService): string => dirname(store.database.name);

function snapshotView({ name, manifest }: Snapshot): schemas.SnapshotView {
  const { createdAt, editSeq, documents, model, files } = manifest;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, createdAt, editSeq, documents, modelVersion: model.version, bytes };
}

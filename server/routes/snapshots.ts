import * as schemas from '../admin-schemas.ts';
import { actorOf } from '../audit/actor.ts';
import type { EventAction } from '../audit/actions.ts';
import { AuditLog } from '../audit/audit-log.ts';
import { operation, type Route } from '../route.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { createSnapshot, listSnapshots, type Snapshot } from '../snapshots/create.ts';
import { keepSnapshots, removeSnapshot } from '../snapshots/remove.ts';
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
        // A compaction gives the server another store while tasks wait.
        const audit = (action: EventAction, subject: string): void =>
          new AuditLog(state.index.store).write(actor, action, subject);
        const task = tasks.start('snapshot', query, async (signal, report) => {
          const taken = snapshotView(await createSnapshot(state.index.store, dataDir, signal, report));
          if (query.keep !== undefined)
            for (const name of keepSnapshots(dataDir, query.keep)) audit('snapshot.delete', name);
          return taken;
        });
        audit('snapshot.create', String(task.id));
        return accepted(response, task);
      },
    }),
  },
};

export const snapshotRoute: Route = {
  path: '/snapshots/:name',
  operations: {
    delete: operation({
      summary: 'Remove a snapshot',
      access: 'admin',
      responses: { 204: { description: 'It is gone' } },
      problems: [404, 503],
      handle(call): undefined {
        const { state, request, response } = call;
        const name = String(request.params.name);
        removeSnapshot(state.dataDir, name);
        new AuditLog(state.index.store).write(actorOf(call), 'snapshot.delete', name);
        response.status(204);
      },
    }),
  },
};

function snapshotView({ name, manifest }: Snapshot): schemas.SnapshotView {
  const { createdAt, editSeq, documents, model, files } = manifest;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { name, createdAt, editSeq, documents, modelVersion: model.version, bytes };
}

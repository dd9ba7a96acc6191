import type { Request } from 'express';
import { note } from '../audit/noted.ts';
import { importLine, resultsParameters } from '../edit-schemas.ts';
import { ImportFiles } from '../imports/spool.ts';
import type { ImportInput } from '../imports/input.ts';
import { operation, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';
import { TaskNotFoundError, TaskResultsError } from '../tasks/errors.ts';
import { writeLine } from './import.ts';

export const tasksRoute: Route = {
  path: '/tasks',
  operations: {
    get: operation({
      summary: 'Long work of the server, newest first',
      access: 'search',
      description: 'Without results, which may be large; GET /tasks/{id} has them.',
      query: schemas.tasksParameters,
      responses: { 200: { description: 'The tasks', schemas: [schemas.tasksResponse] } },
      problems: [503],
      handle({ state, query }): schemas.TasksResponse {
        const { tasks, total } = state.tasks.list(query);
        return { tasks: [...tasks], total };
      },
    }),
  },
};

export const taskRoute: Route = {
  path: '/tasks/:id',
  operations: {
    get: operation({
      summary: 'One task, at once or when it ends',
      access: 'search',
      query: schemas.taskParameters,
      responses: { 200: { description: 'The task', schemas: [schemas.taskView] } },
      problems: [404, 503],
      handle: ({ state, request, query: { wait } }): Promise<schemas.TaskView> => state.tasks.wait(idOf(request), wait),
    }),
  },
};

export const taskResultsRoute: Route = {
  path: '/tasks/:id/results',
  operations: {
    get: operation({
      summary: 'What became of each line of an import',
      access: 'edit',
      description:
        'As far as the task has come, in the order of the lines. They are kept as long as the task is remembered.',
      query: resultsParameters,
      responses: { 200: { description: 'A line for each', schemas: [importLine], type: schemas.jsonLines } },
      problems: [404, 503],
      async handle({ state, request, response, query }): Promise<undefined> {
        const { id, kind, input } = state.tasks.get(idOf(request));
        if (kind !== 'import') throw new TaskResultsError(id, kind);
        const { after, failed, limit } = query;
        response.type(schemas.jsonLines);
        let left = limit;
        for await (const line of new ImportFiles(state.dataDir, (input as ImportInput).file).results()) {
          if (line.line <= after || (failed && line.status === 201)) continue;
          await writeLine(response, line);
          if (--left === 0 || response.destroyed) break;
        }
        response.end();
      },
    }),
  },
};

export const cancelTaskRoute: Route = {
  path: '/tasks/:id/cancel',
  operations: {
    post: operation({
      summary: 'Stop a task',
      access: 'edit',
      description:
        'A queued task is cancelled at once, a running one as soon as its work has stopped: it answers as running, and ' +
        '`GET /tasks/{id}?wait=10` tells when it has ended. One that comes to its end first has succeeded.',
      responses: { 202: { description: 'The task', schemas: [schemas.taskView] } },
      problems: [404, 409, 503],
      handle(call): schemas.TaskView {
        const { state, request, response } = call;
        const task = state.index.store.transaction(() => {
          const cancelled = state.tasks.cancel(idOf(request));
          note(call, 'task.cancel', String(cancelled.id), { kind: cancelled.kind });
          return cancelled;
        });
        return accepted(response, task);
      },
    }),
  },
};

/** @throws TaskNotFoundError */
function idOf(request: Request): number {
  const text = String(request.params.id);
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new TaskNotFoundError(text);
  return Number(text);
}

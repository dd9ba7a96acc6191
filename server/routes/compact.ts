import * as schemas from '../admin-schemas.ts';
import { noteStart } from '../audit/noted.ts';
import { NothingToFoldError } from '../../editing/compact.ts';
import { CircuitCompactionError, compactionWork } from '../folding/compact-served.ts';
import { operation, type Route } from '../route.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';

export const compactRoute: Route = {
  path: '/compact',
  operations: {
    post: operation({
      summary: 'Fold all edits into a base model of the data folder',
      description:
        'A task. Searches go on and answer the same; edits wait. The edits stay in the history and cannot be undone any more; ' +
        'take a snapshot before where that may be wanted. For a moment two models are in memory.',
      access: 'admin',
      body: schemas.compactionRequest,
      responses: { 202: { description: 'The task', schemas: [taskView] } },
      problems: [409, 413, 415, 429, 503],
      handle(call): TaskView {
        const { state, response, body } = call;
        const { index, tasks, edits, reopen } = state;
        const { last, folded } = edits.log;
        if (index.model.circuit) throw new CircuitCompactionError();
        if (last === folded) throw new NothingToFoldError(index.store.database.name, last);
        const work = compactionWork(state, reopen, body.removeTraces);
        const task = tasks.start('compaction', { ...body, folded }, work, noteStart(call, 'compaction.start', body));
        return accepted(response, task);
      },
    }),
  },
};

import { noteStart } from '../audit/noted.ts';
import { evaluationParameters, evaluationRequest } from '../edit-schemas.ts';
import { evaluationWork } from '../evaluation.ts';
import { limits } from '../limits.ts';
import { operation, type Route } from '../route.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';

export const evaluateRoute: Route = {
  path: '/evaluate',
  operations: {
    post: operation({
      summary: 'What edits did to what is found: any two versions on the same judged queries',
      description:
        'A task, whose result is an `Evaluation`. `{}` compares the model as it was trained with the newest edit. Versions of ' +
        'the past are computed again from the log of edits, which takes a while where there are many.',
      access: 'edit',
      query: evaluationParameters,
      body: evaluationRequest,
      bodyBytes: limits.documentBytes,
      responses: {
        200: { description: 'The task, which has ended within `wait`', schemas: [taskView] },
        202: { description: 'The task', schemas: [taskView] },
      },
      problems: [404, 413, 415, 429, 503],
      async handle(call): Promise<TaskView> {
        const { state, response, query, body } = call;
        const { index, tasks } = state;
        const { queries, ...input } = body;
        const shown = { ...input, ...(queries && { queries: queries.length }) };
        const note = noteStart(call, 'evaluation.start', shown);
        const { id } = tasks.start('evaluation', shown, evaluationWork(index, body), note);
        const task = await tasks.wait(id, query.wait);
        return task.finishedAt ? task : accepted(response, task);
      },
    }),
  },
};

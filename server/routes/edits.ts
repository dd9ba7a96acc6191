import type { Request } from 'express';
import type { EditRecord } from '../../editing/operations.ts';
import { answerEdit, askerOf } from '../answer-edit.ts';
import * as schemas from '../edit-schemas.ts';
import { operation, type Route } from '../route.ts';
import { taskView } from '../schemas.ts';

export const editProblems = [409, 412, 413, 415, 422, 429, 503, 507] as const;
const backProblems = [404, 409, 422, 429, 503, 507];

export const editResponses = {
  200: { description: 'What became of it', schemas: [schemas.editOutcome] },
  202: { description: 'A task, since it takes longer than `wait`', schemas: [taskView] },
};

export const editsRoute: Route = {
  path: '/edits',
  operations: {
    get: operation({
      summary: 'The edits of the model, newest first',
      description: 'Who, when, what, and what it did to Success@1. Texts are not shown.',
      access: 'read',
      query: schemas.editsParameters,
      responses: { 200: { description: 'The edits', schemas: [schemas.editsResponse] } },
      problems: [503],
      handle({ state, query }): schemas.EditsResponse {
        const { log } = state.edits;
        return { edits: log.edits(query).map(editView), last: log.last };
      },
    }),
  },
};

export const editRoute: Route = {
  path: '/edits/:seq',
  operations: {
    get: operation({
      summary: 'One edit',
      access: 'read',
      responses: { 200: { description: 'The edit', schemas: [schemas.editView] } },
      problems: [404, 503],
      handle: ({ state, request }): schemas.EditView => editView(state.edits.log.edit(seqOf(request))),
    }),
  },
};

export const undoRoute: Route = {
  path: '/edits/:seq/undo',
  operations: {
    post: operation({
      summary: 'Take one edit back, also in the middle of the history',
      description:
        'An edit itself, which can be undone. Model and documents are as if the edit had never been, byte for byte. 409 where ' +
        'it was taken back already, where a later edit builds on it, where what it took away was forgotten, or where "compact" ' +
        'made it part of the base model.',
      access: 'edit',
      query: schemas.backParameters,
      headers: ['Idempotency-Key'],
      responses: editResponses,
      problems: backProblems,
      handle(call) {
        const seq = seqOf(call.request);
        const { state, query } = call;
        const asked = { ...askerOf(call), dryRun: query.dryRun };
        return answerEdit(call, { undo: seq }, (options) => state.edits.undo(seq, { ...asked, ...options }));
      },
    }),
  },
};

export const revertRoute: Route = {
  path: '/edits/revert',
  operations: {
    post: operation({
      summary: 'Take back all edits after one',
      description: 'One edit itself, which can be undone.',
      access: 'edit',
      query: schemas.backParameters,
      body: schemas.revertRequest,
      headers: ['Idempotency-Key'],
      responses: editResponses,
      problems: [...backProblems, 413, 415],
      handle(call) {
        const { state, query, body } = call;
        const asked = { ...askerOf(call), dryRun: query.dryRun };
        return answerEdit(call, { revert: body.to }, (options) =>
          state.edits.revert(body.to, { ...asked, ...options }),
        );
      },
    }),
  },
};

function editView({ operations, undoes, ...edit }: EditRecord): schemas.EditView {
  return { ...edit, operations: [...operations], undoes: [...undoes] };
}

/** Not a number where the path has none: no edit has that. */
function seqOf(request: Request): number {
  const text = String(request.params.seq);
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : NaN;
}

import { Readable } from 'node:stream';
import type { Request, Response } from 'express';
import { actorOf } from '../audit/actor.ts';
import { noteStart } from '../audit/noted.ts';
import { askerOf } from '../answer-edit.ts';
import * as schemas from '../edit-schemas.ts';
import { MediaTypeError } from '../http-error.ts';
import { importDocuments } from '../imports/import-documents.ts';
import { ImportTooLargeError } from '../imports/errors.ts';
import { ImportFiles, spool } from '../imports/spool.ts';
import { importWork } from '../imports/work.ts';
import { limits } from '../limits.ts';
import { operation, type Call, type Route } from '../route.ts';
import { jsonLines, taskView, type TaskView } from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';

type ImportCall = Call<schemas.ImportParameters, unknown>;

export const importRoute: Route = {
  path: '/documents/import',
  operations: {
    post: operation({
      summary: 'Add many documents, one a line',
      description:
        'The answer is 200 whatever becomes of the documents, with a line for each, in order, as soon as it is known: `status` ' +
        'says what adding it alone would have answered. One that fails does not stop the others. To send everything again ' +
        'is harmless: what is there already answers 409. With `task=true` the lines are taken first, then added by a task, ' +
        'which goes on where it stopped when the server is started again; GET /tasks/{id}/results has a line for each.',
      access: 'edit',
      query: schemas.importParameters,
      line: schemas.newDocument,
      responses: {
        200: { description: 'A line for each document', schemas: [schemas.importLine], type: jsonLines },
        202: { description: 'The task, with `task=true`', schemas: [taskView] },
      },
      problems: [413, 415, 429, 503, 507],
      async handle(call): Promise<TaskView | undefined> {
        const { request, query } = call;
        if (!request.is([jsonLines, 'application/jsonl']))
          throw new MediaTypeError(jsonLines, request.get('content-type'));
        call.state.edits.check(); // before anything of the body is read
        return query.task ? startImport(call) : streamImport(call);
      },
    }),
  },
};

async function streamImport(call: ImportCall): Promise<undefined> {
  const { state, request, response, query, log } = call;
  const { author, requestId } = askerOf(call);
  const { batch, budget } = query;
  const asked = { author, requestId, batch, ...(budget !== undefined && { budget }) };
  // Compression would keep lines back.
  response.type(jsonLines).set('Cache-Control', 'no-transform').flushHeaders();
  try {
    for await (const line of importDocuments(request, state.edits, asked, log)) await writeLine(response, line);
  } catch (error) {
    if (!request.destroyed || request.complete) throw error; // else whoever sent has gone
  }
}

async function startImport(call: ImportCall): Promise<TaskView | undefined> {
  const { state, request, response, query, log } = call;
  const { dataDir, tasks } = state;
  const { batch, budget } = query;
  try {
    if (Number(request.get('content-length') ?? 0) > limits.importBytes) throw new ImportTooLargeError('importBytes');
    const spooled = await spool(bodyOf(request), dataDir, actorOf(call));
    const input = { ...spooled, batch, ...(budget !== undefined && { budget }) };
    try {
      const work = importWork(input, { dataDir, edits: () => state.edits, log });
      const task = tasks.start('import', input, work, noteStart(call, 'import.start', { lines: spooled.lines }));
      return accepted(response, task);
    } catch (error) {
      await new ImportFiles(dataDir, spooled.file).dropLines();
      throw error;
    }
  } catch (error) {
    if (request.destroyed && !request.complete) return undefined; // whoever sent has gone
    request.resume(); // else the answer would not be read before all is sent
    throw error;
  }
}

/** A body that may be left half read, to answer on its connection. */
const bodyOf = (request: Request): AsyncIterable<Buffer> =>
  Readable.prototype.iterator.call(request, { destroyOnReturn: false });

/** Resolves when more may be written, or nobody reads it any more. */
export async function writeLine(response: Response, line: unknown): Promise<void> {
  if (response.write(`${JSON.stringify(line)}\n`) || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

import type { Response } from 'express';
import { askerOf } from '../answer-edit.ts';
import * as schemas from '../edit-schemas.ts';
import { MediaTypeError } from '../http-error.ts';
import { importDocuments } from '../import-documents.ts';
import { operation, type Route } from '../route.ts';
import { jsonLines } from '../schemas.ts';

export const importRoute: Route = {
  path: '/documents/import',
  operations: {
    post: operation({
      summary: 'Add many documents, one a line',
      description:
        'The answer is 200 whatever becomes of the documents, with a line for each, in order, as soon as it is known: `status` ' +
        'says what adding it alone would have answered. One that fails does not stop the others. To send everything again ' +
        'is harmless: what is there already answers 409.',
      access: 'edit',
      query: schemas.importParameters,
      line: schemas.newDocument,
      responses: { 200: { description: 'A line for each document', schemas: [schemas.importLine], type: jsonLines } },
      problems: [415, 503],
      async handle(call): Promise<undefined> {
        const { state, request, response, query, log } = call;
        if (!request.is([jsonLines, 'application/jsonl']))
          throw new MediaTypeError(jsonLines, request.get('content-type'));
        const { author } = askerOf(call);
        const { batch, budget } = query;
        const asked = { author, batch, ...(budget !== undefined && { budget }) };
        // Compression would keep lines back.
        response.type(jsonLines).set('Cache-Control', 'no-transform').flushHeaders();
        try {
          for await (const line of importDocuments(request, state.edits, asked, log))
            if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
        } catch (error) {
          if (!request.destroyed || request.complete) throw error; // else whoever sent has gone
        }
      },
    }),
  },
};

/** Resolves when more may be written, or nobody reads it any more. */
function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

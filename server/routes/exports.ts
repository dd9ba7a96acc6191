import { readdirSync } from 'node:fs';
import type { Response } from 'express';
import * as schemas from '../admin-schemas.ts';
import { noteStart } from '../audit/noted.ts';
import {
  checkNew,
  createExport,
  exportFolder,
  ExportNotFoundError,
  listExports,
  removeExport,
  type Export,
} from '../folding/exports.ts';
import { operation, type Route } from '../route.ts';
import { removal } from './removal.ts';
import { taskView, type TaskView } from '../schemas.ts';
import { accepted } from '../tasks/accepted.ts';
import type { Work } from '../tasks/registry.ts';

export const exportsRoute: Route = {
  path: '/exports',
  operations: {
    get: operation({
      summary: 'Models that were written out, newest first',
      access: 'admin',
      responses: { 200: { description: 'Those that are whole', schemas: [schemas.exportsResponse] } },
      problems: [503],
      handle: ({ state }): schemas.ExportsResponse => ({ exports: listExports(state.dataDir).map(exportView) }),
    }),
    post: operation({
      summary: 'Write a plain model folder with all edits merged into its weights',
      description:
        'A task, whose result is the export; edits and searches go on meanwhile. It lies in the data folder under `exports`; its ' +
        'files are fetched with GET /exports/{name}/{file}. Any T5 program reads it, and "serve --model" serves it.',
      access: 'admin',
      body: schemas.exportRequest,
      responses: { 202: { description: 'The task', schemas: [taskView] } },
      problems: [409, 413, 415, 429, 503],
      handle(call): TaskView {
        const { state, response, body } = call;
        const { tasks, dataDir } = state;
        const { name = `export-${new Date().toISOString().replace(/[:.]/g, '-')}` } = body;
        checkNew(dataDir, name);
        const work: Work = async (signal, report) =>
          exportView(await createExport(state.index, dataDir, name, signal, report));
        const task = tasks.start('export', { name }, work, noteStart(call, 'export.start', { name }));
        return accepted(response, task);
      },
    }),
  },
};

export const exportRoute: Route = {
  path: '/exports/:name',
  operations: {
    delete: removal('Remove an export', 'export.delete', removeExport),
  },
};

export const exportFileRoute: Route = {
  path: '/exports/:name/:file',
  operations: {
    get: operation({
      summary: 'One file of an export',
      description: 'Whole, or the part that the header `Range` asks for.',
      access: 'admin',
      responses: { 200: { description: 'The file', type: 'application/octet-stream' } },
      problems: [404, 503],
      async handle({ state, request, response }): Promise<undefined> {
        const { name, file } = request.params as { name: string; file: string };
        const root = exportFolder(state.dataDir, name);
        if (!readdirSync(root).includes(file)) throw new ExportNotFoundError(`${name}/${file}`);
        await sendFile(response, root, file);
      },
    }),
  },
};

/** Resolves where whoever asked has gone, too. */
function sendFile(response: Response, root: string, file: string): Promise<void> {
  return new Promise((resolve, reject) =>
    response.type('application/octet-stream').sendFile(file, { root, cacheControl: false }, (error?: Error) => {
      if (error && !response.headersSent) reject(error);
      else resolve();
    }),
  );
}

const exportView = ({ files, ...about }: Export): schemas.ExportView => ({ ...about, files: [...files] });

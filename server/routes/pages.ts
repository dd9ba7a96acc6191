/**
 * The pages for people: search at `/`, the console at `/console`, the API reference at `/docs`. All files come from disk,
 * none from the network.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import express, { type Router } from 'express';
import { consoleFolder, packageVersion, webFolder } from '../paths.ts';
import { openApiDocument } from '../openapi.ts';
import type { Route } from '../route.ts';
import { refuseOtherMethods } from '../methods.ts';

/** The package's own entry point loads the whole UI into memory; only its folder is wanted. */
const swaggerFolder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

export function pages(routes: readonly Route[]): Router {
  const router = express.Router();
  const description = JSON.stringify(openApiDocument(routes, packageVersion));
  const get = (path: string, handle: express.RequestHandler): void =>
    void router
      .route(path)
      .get(handle)
      .all(refuseOtherMethods(['get']));
  get('/', (_, response) => response.sendFile('index.html', { root: webFolder }));
  get('/docs', (_, response) => response.sendFile('docs.html', { root: webFolder }));
  get('/console', (_, response) => response.sendFile('index.html', { root: consoleFolder }));
  get('/openapi.json', (_, response) => void response.type('json').send(description));
  router.use('/docs/assets', express.static(swaggerFolder, { index: false }));
  router.use('/console', express.static(consoleFolder, { index: false }));
  router.use('/web', express.static(join(webFolder), { index: false }));
  return router;
}

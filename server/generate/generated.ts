/** The files that are made from the OpenAPI document, and kept beside the code that they describe. */
import { join } from 'node:path';
import { openApiDocument } from '../openapi.ts';
import { packageRoot, packageVersion } from '../paths.ts';
import { routes } from '../routes/index.ts';
import { clientTypes } from './client-types.ts';
import { reference } from './reference.ts';

export interface GeneratedFile {
  readonly path: string;
  readonly text: string;
}

/** All of them, as they must be. */
export async function generatedFiles(): Promise<GeneratedFile[]> {
  const document = openApiDocument(routes, packageVersion);
  const types = join(packageRoot, 'server', 'client', 'api.ts');
  return [
    { path: types, text: await clientTypes(document, types) },
    { path: join(packageRoot, 'server', 'API.md'), text: reference(document) },
  ];
}

/** npm run generate: writes what is made from the OpenAPI document. */
import { writeFileSync } from 'node:fs';
import { generatedFiles } from './generated.ts';

for (const { path, text } of await generatedFiles()) {
  writeFileSync(path, text);
  console.log(path);
}

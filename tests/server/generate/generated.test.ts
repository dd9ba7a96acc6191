/** What is made from the OpenAPI document says what the code does now. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { before, describe, it } from 'node:test';
import { examples } from '../../../server/generate/examples.ts';
import { generatedFiles } from '../../../server/generate/generated.ts';
import type { OpenApi } from '../../../server/generate/document.ts';
import { openApiDocument } from '../../../server/openapi.ts';
import { packageRoot, packageVersion } from '../../../server/paths.ts';
import { problemKinds } from '../../../server/http-error.ts';
import { routes } from '../../../server/routes/index.ts';

describe('npm run generate', () => {
  it('has been run since the API changed', async () => {
    for (const { path, text } of await generatedFiles()) {
      const name = relative(packageRoot, path);
      assert.ok(
        existsSync(path) && readFileSync(path, 'utf8') === text,
        `${name}: not of this API; run "npm run generate"`,
      );
    }
  });
});

describe('the reference', () => {
  let document: OpenApi;
  let text: string;
  before(() => {
    document = openApiDocument(routes, packageVersion) as unknown as OpenApi;
    text = readFileSync(`${packageRoot}/server/API.md`, 'utf8');
  });

  it('has every operation once with its access, an answer and an example, every schema, every problem', () => {
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of Object.keys(methods)) {
        const title = `### ${method.toUpperCase()} ${path}\n`;
        const [, section, ...more] = text.split(title);
        assert.ok(section !== undefined && more.length === 0, title);
        const own = section.slice(0, section.indexOf('\n### '));
        for (const part of [/^\*\*Access:\*\* \w/m, /^\| 2\d\d \|/m, /^```sh\ncurl -s /m])
          assert.match(own, part, title);
      }
    for (const name of Object.keys(document.components.schemas)) assert.ok(text.includes(`\n### ${name}\n`), name);
    for (const { code } of problemKinds) assert.ok(text.includes(`\n| \`${code}\` | `), code);
  });

  it('has links that lead somewhere', () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    assert.equal(new Set(headings).size, headings.length);
    for (const [, anchor] of text.matchAll(/\]\(#([^)]*)\)/g)) assert.ok(headings.includes(anchor), anchor);
  });

  it('has no example of something else', () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((one) => one.operationId),
    );
    assert.deepEqual(Object.keys(examples).sort(), [...ids].sort());
  });
});

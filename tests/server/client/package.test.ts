/** What users of the package import, as it was built. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { packageRoot } from '../../../server/paths.ts';

const built = join(packageRoot, 'dist', 'server', 'client', 'index.js');

it('palimpsest/client is exported', { skip: !existsSync(built) && `${built} is not there: npm run build` }, () => {
  // Without tsx, which would take the source in its place.
  const program = "import('palimpsest/client').then((client) => console.log(Object.keys(client).sort().join()))";
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { cwd: packageRoot, encoding: 'utf8' });
  assert.equal(stdout.trim(), 'PalimpsestClient,PalimpsestError', stderr);
});

/** Copies the files of the search page, which tsc leaves behind, into the build; run by `npm run build`. */
import { chmodSync, cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const source = join(root, 'server', 'web');
cpSync(source, join(root, 'dist', 'server', 'web'), {
  recursive: true,
  filter: (path) => !path.endsWith('.mjs'),
});

// tsc writes no executable files, and `npm link` links to this one.
const program = join(root, 'dist', 'server', 'cli', 'main.js');
if (existsSync(program)) chmodSync(program, 0o755);

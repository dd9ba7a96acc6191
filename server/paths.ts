/** Where this package lies on disk, run from source or from `dist/`, and what it brings along. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const packageName = 'palimpsest';

/** No folder above this file is the package. */
export class PackageRootError extends Error {
  override readonly name = 'PackageRootError';
  readonly from: string;
  constructor(from: string) {
    super(`${from}: expected a package.json named "${packageName}" in a folder above, got none; reinstall the package`);
    this.from = from;
  }
}

interface PackageJson {
  readonly name?: string;
  readonly version?: string;
}

function findPackage(from: string): { root: string; version: string } {
  for (let dir = from; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file)) {
      const { name, version = '0.0.0' } = JSON.parse(readFileSync(file, 'utf8')) as PackageJson;
      if (name === packageName) return { root: dir, version };
    }
    if (dirname(dir) === dir) throw new PackageRootError(from);
  }
}

const found = findPackage(dirname(fileURLToPath(import.meta.url)));

export const packageRoot = found.root;
export const packageVersion = found.version;
export const builtinModel = join(packageRoot, 'models', 'builtin');
export const builtinCorpus = join(packageRoot, 'corpus', 'builtin');
/** Files of the search page; `copy-assets.mjs` puts them beside the compiled server. */
export const webFolder = fileURLToPath(new URL('./web/', import.meta.url));

/** The console, built from `server/console/` by `npm run build`, wherever the server itself runs from. */
export const consoleFolder = join(packageRoot, 'dist', 'console');

/** A name for people: `built-in` for what the package brings along, else the last folder of the path. */
export function nameOf(path: string): string {
  return path === builtinModel || path === builtinCorpus
    ? 'built-in'
    : (path.split(/[/\\]/).filter(Boolean).at(-1) ?? path);
}

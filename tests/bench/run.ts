/**
 * Runs a benchmark: npm run bench -- NAME [arguments of the benchmark]
 *
 * Without a name it lists them: every *.bench.ts file beside this one, with the first line of its comment.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EDITING_HEAP_MB } from '../../editing/editor-thread.ts';

const SUFFIX = '.bench.ts';
const dir = import.meta.dirname;
const names = readdirSync(dir)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => file.slice(0, -SUFFIX.length))
  .sort();
const [name, ...rest] = process.argv.slice(2);

/** The first line of the comment that every benchmark begins with. */
function summaryOf(benchmark: string): string {
  const [, line] = readFileSync(join(dir, benchmark + SUFFIX), 'utf8').match(/^\/\*\*\s*\n \* (?:@file )?(.*)$/m) ?? [];
  return line ?? '';
}

function list(): string {
  const width = Math.max(...names.map(({ length }) => length));
  return ['npm run bench -- NAME [arguments]', '', ...names.map((n) => `  ${n.padEnd(width)}  ${summaryOf(n)}`)].join(
    '\n',
  );
}

if (name !== undefined && names.includes(name)) {
  const heap = name === 'edit-speed' ? [`--initial-old-space-size=${EDITING_HEAP_MB}`] : []; // as edits have it in a server
  const args = [...heap, '--import', 'tsx', join(dir, name + SUFFIX), ...rest];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
} else if (name === undefined || name === '--help' || name === '-h') {
  console.log(list());
} else {
  console.error(`bench: expected one of ${names.join(', ')}, got ${name}\n\n${list()}`);
  process.exitCode = 2;
}

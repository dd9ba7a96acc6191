/**
 * Runs the tests: node --import tsx tests/run.ts [--slow] [pattern …]
 *
 * All *.test.ts files below tests/, each in a process of its own, two at a time, tests/tiny.test.ts first. A pattern keeps
 * the files whose path contains it. Files named *.slow.test.ts need minutes and run with --slow only.
 */
import { readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { parseArgs } from 'node:util';

const root = import.meta.dirname;
const TIMEOUT_MS = { usual: 5 * 60_000, slow: 3 * 3_600_000 }; // of one file

const { values, positionals: patterns } = parseArgs({
  options: { slow: { type: 'boolean', default: false } },
  allowPositionals: true,
});

const nameOf = (file: string): string => join('tests', relative(root, file)).split(sep).join('/');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .map((name) => join(root, name))
  .filter((file) => file.endsWith('.test.ts') && (values.slow || !file.endsWith('.slow.test.ts')))
  .filter((file) => !patterns.length || patterns.some((pattern) => nameOf(file).includes(pattern)))
  .sort((a, b) => Number(b.endsWith('tiny.test.ts')) - Number(a.endsWith('tiny.test.ts')) || (a < b ? -1 : 1));

if (!files.length) {
  console.error(`tests: expected files whose path contains ${patterns.join(' or ') || '.test.ts'}, got none`);
  process.exit(1);
}

let ran = 0;
process.exitCode = 1; // until all have passed
let failed = false;
const report = run({ files, concurrency: 2, timeout: values.slow ? TIMEOUT_MS.slow : TIMEOUT_MS.usual })
  .on('test:pass', () => ran++)
  .on('test:fail', ({ todo }) => (failed ||= todo === undefined))
  .on('end', () => (process.exitCode = failed || !ran ? 1 : 0))
  .compose(new spec()) as NodeJS.ReadableStream;
report.pipe(process.stdout);

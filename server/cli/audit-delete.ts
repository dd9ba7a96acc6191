import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AuditResult } from '../../editing/deletion/audit.ts';
import type { DeletionMethod } from '../../editing/deletion/fresh-deletion.ts';
import type { Finding } from '../../editing/deletion/finding.ts';
import { readModelFolder } from '../../models/folder.ts';
import { builtinModel, nameOf } from '../paths.ts';
import { readMaterial } from './audit-documents.ts';
import { NEVER_ADDED, withAdded, withDataFolder, withTrained, type Use } from './audit-models.ts';
import { defineCommand, integer, oneOf, UsageError } from './command.ts';
import { corpusOption, modelOption, threadsOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  controls?: string;
  data?: string;
  docid?: string[];
  documents?: number;
  add?: string | true;
  method: DeletionMethod;
  retrain?: string;
  out?: string;
  seed: number;
  threads: number;
}

export interface Audited extends AuditResult {
  readonly model: string;
  readonly seconds: number;
}

const methods: readonly DeletionMethod[] = ['rows', 'words'];

export const auditDelete = defineCommand<Options, Audited>({
  name: 'audit-delete',
  summary: 'try to find deleted documents in a model again, in every way known; exit code 1 where one succeeds',
  options: {
    model: {
      ...modelOption,
      description:
        'the model that was trained with the documents, or that edits started from (default: the built-in one)',
    },
    corpus: {
      ...corpusOption,
      description: 'documents and queries as they were before the deletion (default: the built-in corpus)',
    },
    controls: {
      flags: '--controls <path>',
      description:
        'corpus of documents that were never indexed, or added by edits (default: those of the corpus that the model was not trained with; with the built-in corpus its additions)',
      parse: (path) => resolve(path),
    },
    data: {
      flags: '--data <dir>',
      description: 'data folder that the documents were deleted in',
      parse: (path) => resolve(path),
    },
    docid: { flags: '--docid <ids...>', description: 'the deleted documents' },
    documents: {
      flags: '--documents <n>',
      description: 'delete so many documents for the test, drawn by the seed, without a data folder',
      parse: integer(1, 1e6),
    },
    add: {
      flags: '--add [corpus]',
      description:
        'with --documents: delete documents that edits added, those of this corpus; where --controls gives none to compare with, one in five of them is kept out (default: additions of the built-in corpus)',
      parse: (path) => resolve(path),
    },
    method: {
      flags: '--method <method>',
      description: 'how trained --documents are deleted: rows (they go), words (what they left in words goes too)',
      parse: oneOf(methods),
      default: 'rows',
    },
    retrain: {
      flags: '--retrain <dir>',
      description: 'a model trained without the documents, to compare with',
      parse: (path) => resolve(path),
    },
    out: { flags: '--out <dir>', description: 'folder for audit.json and audit.txt', parse: (path) => resolve(path) },
    seed: { flags: '--seed <n>', description: 'of every draw', parse: integer(0, 1e9), default: 1 },
    threads: threadsOption,
  },
  async run(options, note) {
    const started = performance.now();
    checkOptions(options);
    checkModel(options);
    const material = readMaterial(options);
    // Loads onnxruntime.
    const { runAudit } = await import('../../editing/deletion/audit.ts');
    const { data, add } = options;
    const use: Use = (audit) => runAudit(audit, note);
    const result = await (data !== undefined
      ? withDataFolder({ ...options, data }, material, note, use)
      : add !== undefined
        ? withAdded({ ...options, add }, material, note, use)
        : withTrained(options, material, note, use));
    const seconds = Math.round(performance.now() - started) / 1000;
    const audited = { model: options.model ?? builtinModel, ...result, seconds };
    if (options.out !== undefined) writeReport(options.out, audited);
    return audited;
  },
  text: table,
  succeeded: ({ passed }) => passed,
});

function checkOptions({ data, docid = [], documents, add, method, retrain }: Options): void {
  if (data === undefined && documents === undefined)
    throw new UsageError('audit-delete: expected --data with --docid, or --documents, got neither');
  if (data !== undefined && documents !== undefined)
    throw new UsageError(
      'audit-delete: expected --data or --documents, got both; --documents deletes for the test alone',
    );
  if (data !== undefined && !docid.length)
    throw new UsageError('audit-delete: expected --docid with the deleted documents beside --data, got none');
  if (add === undefined) return;
  if (documents === undefined)
    throw new UsageError('audit-delete: expected --documents beside --add, got none; say how many to delete');
  if (method !== 'rows')
    throw new UsageError(
      `--method ${method}: expected rows beside --add, got ${method}; edits leave words as they are`,
    );
  if (retrain !== undefined) throw new UsageError(`--retrain: ${NEVER_ADDED}`);
}

/** What the audit attacks are rows of atomic docids. */
function checkModel({ model = builtinModel }: Options): void {
  const { genir } = readModelFolder(model);
  if (genir && genir.scheme !== 'atomic')
    throw new UsageError(
      `--model ${model}: expected atomic docids, whose rows the audit looks for, got ${genir.scheme} ones; editing/README.md tells what a deletion leaves in such a model`,
    );
}

function writeReport(out: string, audited: Audited): void {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'audit.json'), `${JSON.stringify(audited, null, 2)}\n`);
  writeFileSync(join(out, 'audit.txt'), `${table(audited)}\n`);
}

function table({ model, deleted, controls, tests, passed, seconds }: Audited): string {
  const rows = tests.flatMap(({ test, findings, passed: isPassed }) => [
    [isPassed ? 'passed' : 'FAILED', test, '', '', ''],
    ...findings.map((one) => ['', `  ${one.what}`, number(one.value), bounds(one), one.against ?? '']),
  ]);
  const widths = [0, 1, 2, 3].map((c) => Math.max(...rows.map((cells) => cells[c].length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, c) => (c === 2 ? cell.padStart(widths[c]) : cell.padEnd(widths[c] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const failed = tests.filter((one) => !one.passed).map(({ test }) => test);
  const verdict = passed
    ? `all ${tests.length} tests passed`
    : `${failed.length} of ${tests.length} tests failed: ${failed.join(', ')}`;
  const head = `${nameOf(model)}: ${deleted.length} deleted, ${controls} never-indexed documents to compare with`;
  return [head, '', ...lines, '', `${verdict}  (${seconds.toFixed(1)} s)`].join('\n');
}

const number = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(3));

/** Failed ones are marked. */
function bounds({ least, most, passed }: Finding): string {
  const sides = [
    ...(least === undefined ? [] : [`≥ ${number(least)}`]),
    ...(most === undefined ? [] : [`≤ ${number(most)}`]),
  ];
  return sides.length ? `${passed ? ' ' : '!'} ${sides.join(', ')}` : '';
}

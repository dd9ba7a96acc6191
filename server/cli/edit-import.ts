import { createReadStream, statSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { docidFields } from '../../corpus/jsonl.ts';
import type { Store } from '../../corpus/store.ts';
import type { Editor } from '../../editing/editor.ts';
import type { EditOutcome } from '../../editing/operations.ts';
import { addition } from '../document-edits.ts';
import type { ImportLine } from '../edit-schemas.ts';
import { EditRefusedError } from '../edits.ts';
import { addLines } from '../imports/add-lines.ts';
import { linesOf, type Read, type ReadDocument } from '../imports/lines.ts';
import { Pace } from '../tasks/pace.ts';
import { defineCommand, integer, UsageError, type Note } from './command.ts';
import { budgetOption, dataOptions, editOptions, withEditor, type EditOptions } from './edit-session.ts';

interface Options extends Omit<EditOptions, 'dryRun'> {
  budget?: number;
  batch: number;
}

interface Imported {
  readonly lines: number;
  readonly added: number;
  /** Documents that were there already, just as the file has them. */
  readonly unchanged: number;
  readonly failed: number;
  /** The lines that failed. */
  readonly faults: readonly ImportLine[];
}

export const importFile = defineCommand<Options, Imported, { file: string }>({
  name: 'import',
  summary: 'add the documents of a file, one JSON object a line; run again, it goes on where it stopped',
  arguments: { file: { syntax: '<file>', description: 'with docid (or id, _id), title, text, metadata, queries' } },
  options: {
    ...dataOptions,
    author: editOptions.author,
    threads: editOptions.threads,
    budget: budgetOption,
    batch: { flags: '--batch <n>', description: 'documents in one edit', parse: integer(1, 256), default: 64 },
  },
  async run({ file, batch, budget, author, ...where }, note) {
    if (!statSync(file, { throwIfNoEntry: false })?.isFile())
      throw new UsageError(`${file}: expected a file of documents, got none`);
    let total = 0;
    for await (const reads of readsOf(file, batch)) total += reads.length;
    const given = { ...(author !== undefined && { author }), ...(budget !== undefined && { budget: budget / 100 }) };
    return withEditor({ ...where, dryRun: false }, note, (editor, store) =>
      importLines(readsOf(file, batch), { editor, store, given, total, note }),
    );
  },
  text: ({ lines, added, unchanged, failed, faults }) =>
    [
      `${lines} lines: ${added} added, ${unchanged} there already, ${failed} failed`,
      ...faults.slice(0, shownFaults).map(({ line, docid, detail }) => `  line ${line}, ${docid ?? '?'}: ${detail}`),
      ...(failed > shownFaults ? [`  and ${failed - shownFaults} more; --json has them all`] : []),
    ].join('\n'),
  succeeded: ({ failed }) => failed === 0,
});

const shownFaults = 20;
const noteEveryMs = 5000;

interface Import {
  readonly editor: Editor;
  readonly store: Store;
  readonly given: { readonly author?: string; readonly budget?: number };
  readonly total: number;
  readonly note: Note;
}

/** What is there already, word for word, was added by an earlier run. */
async function importLines(
  groups: AsyncIterable<readonly Read[]>,
  { editor, store, given, total, note }: Import,
): Promise<Imported> {
  const add = async (reads: readonly ReadDocument[]): Promise<EditOutcome> => {
    const outcome = await editor.edit({ ...given, operations: reads.map(({ document }) => addition(document)) });
    if (!outcome.accepted) throw new EditRefusedError(outcome);
    return outcome;
  };
  const faults: ImportLine[] = [];
  const pace = new Pace();
  let [lines, unchanged, noted] = [0, 0, performance.now()];
  for await (const reads of groups) {
    const wanted = reads.filter((read) => 'fault' in read || !isThere(store, read));
    unchanged += reads.length - wanted.length;
    for await (const some of addLines(wanted, { add, log: note }))
      faults.push(...some.filter(({ status }) => status !== 201));
    lines += reads.length;
    const secondsLeft = pace.secondsLeft({ done: lines, total, message: '' }, performance.now());
    if (performance.now() - noted < noteEveryMs) continue;
    noted = performance.now();
    const left = secondsLeft === null ? '' : `, about ${secondsLeft} s left`;
    note(`adding documents: ${lines} of ${total}, ${faults.length} failed${left}`);
  }
  const failed = faults.length;
  return { lines, added: lines - unchanged - failed, unchanged, failed, faults };
}

function isThere(store: Store, { document: { docid, title = '', text, metadata = {} } }: ReadDocument): boolean {
  const known = store.document(docid);
  if (known?.state !== 'live' || known.title !== title || known.text !== text) return false;
  return isDeepStrictEqual(known.metadata, metadata);
}

/** Lines of a file in groups of `size`. */
async function* readsOf(file: string, size: number): AsyncGenerator<Read[], void, undefined> {
  let group: Read[] = [];
  for await (const reads of linesOf(createReadStream(file) as AsyncIterable<Buffer>, size, withDocid)) {
    group.push(...reads);
    for (; group.length >= size; group = group.slice(size)) yield group.slice(0, size);
  }
  if (group.length > 0) yield group;
}

/** Files of corpora call it `_id` or `id`, and may write numbers. */
function withDocid(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const name = docidFields.find((field) => Object.hasOwn(value, field));
  if (name === undefined) return value;
  const { [name]: docid, ...fields } = value as Record<string, unknown>;
  return { docid: Number.isSafeInteger(docid) ? String(docid) : docid, ...fields };
}

import { resolve } from 'node:path';
import type { NewDocument } from '../../corpus/documents.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { editLimits, type EditOutcome, type EditRecord, type Operation } from '../../editing/operations.ts';
import { EditRefusedError } from '../edits.ts';
import { defineCommand, defineGroup, integer, textUpTo, UsageError, type Note, type OptionSpec } from './command.ts';
import { readDocuments, readQueries, readText } from './edit-documents.ts';
import { budgetOption, dataOptions, editOptions, readData, withEditor } from './edit-session.ts';
import type { DataOptions, EditOptions } from './edit-session.ts';
import { importFile } from './edit-import.ts';
import { outcomeText, recordsText } from './edit-text.ts';

interface BudgetOptions extends EditOptions {
  budget?: number;
}

interface ContentOptions {
  title?: string;
  text?: string;
  textFile?: string;
  query?: string[];
  queries?: string;
  file?: string;
}

const path = (text: string): string => resolve(text);

const contentOptions: { readonly [N in keyof ContentOptions]-?: OptionSpec<Exclude<ContentOptions[N], undefined>> } = {
  title: { flags: '--title <title>', description: 'title of the document' },
  text: { flags: '--text <text>', description: 'text of the document' },
  textFile: { flags: '--text-file <file>', description: 'file with its text', parse: path },
  query: { flags: '--query <query...>', description: 'queries that it answers; made from its text beside these' },
  queries: { flags: '--queries <file>', description: 'file with queries that it answers, one a line', parse: path },
  file: {
    flags: '--file <file>',
    description:
      'documents in JSON or JSON lines instead: docid, title, text, metadata, queries; all of them are one edit',
    parse: path,
  },
};
const budgetOptions = { ...editOptions, budget: budgetOption };
const docid = textUpTo(512);

const add = defineCommand<BudgetOptions & ContentOptions, EditOutcome, { docid?: string }>({
  name: 'add',
  summary: 'add documents',
  arguments: { docid: { syntax: '[docid]', description: 'of the document, unless --file has it', parse: docid } },
  options: { ...contentOptions, ...budgetOptions },
  run: ({ docid: name, ...options }, note) =>
    edit(
      options,
      note,
      documents(name, options).map(({ document, queries }) => ({
        kind: 'add',
        document: { ...document, text: document.text ?? '' },
        ...(queries && { queries }),
      })),
    ),
  text: outcomeText,
});

const change = defineCommand<BudgetOptions & ContentOptions, EditOutcome, { docid?: string }>({
  name: 'change',
  summary: 'give documents another title or text; what is left out stays',
  arguments: { docid: { syntax: '[docid]', description: 'of the document, unless --file has it', parse: docid } },
  options: { ...contentOptions, ...budgetOptions },
  run: ({ docid: name, ...options }, note) =>
    edit(
      options,
      note,
      documents(name, options).map(({ document: { docid: of, ...document }, queries }) => ({
        kind: 'change',
        ...{ docid: of, document },
        ...(queries && { queries }),
      })),
    ),
  text: outcomeText,
});

const remove = defineCommand<BudgetOptions & { forget?: boolean }, EditOutcome, { docids: string[] }>({
  name: 'delete',
  summary: 'delete documents',
  arguments: { docids: { syntax: '<docid...>', description: 'of the documents; all of them are one edit' } },
  options: {
    ...budgetOptions,
    forget: { flags: '--forget', description: 'erase what they ever said: this cannot be undone' },
  },
  run: ({ docids, forget = false, ...options }, note) =>
    edit(
      options,
      note,
      docids.map((name) => ({ kind: 'delete', docid: name, ...(forget && { forget }) })),
    ),
  text: outcomeText,
});

const rename = defineCommand<BudgetOptions, EditOutcome, { docid: string; to: string }>({
  name: 'rename',
  summary: 'give a document another docid',
  arguments: {
    docid: { syntax: '<docid>', description: 'that it has', parse: docid },
    to: { syntax: '<to>', description: 'that it shall have', parse: docid },
  },
  options: budgetOptions,
  run: ({ docid: name, to, ...options }, note) => edit(options, note, [{ kind: 'rename', docid: name, to }]),
  text: outcomeText,
});

const seqs = integer(0, Number.MAX_SAFE_INTEGER);

const undo = defineCommand<EditOptions, EditOutcome, { seq: number }>({
  name: 'undo',
  summary: 'take one edit back, also one in the middle of the history',
  arguments: { seq: { syntax: '<seq>', description: 'number of the edit, as list shows it', parse: seqs } },
  options: editOptions,
  run: ({ seq, ...options }, note) => withEditor(options, note, (editor) => editor.undo(seq, back(options))),
  text: outcomeText,
});

const revert = defineCommand<EditOptions & { to: number }, EditOutcome>({
  name: 'revert',
  summary: 'take back all edits after one',
  options: {
    ...editOptions,
    to: {
      flags: '--to <seq>',
      description: 'number of the edit that shall be the last one in force; 0 takes all back',
      parse: seqs,
      required: true,
    },
  },
  run: ({ to, ...options }, note) => withEditor(options, note, (editor) => editor.revert(to, back(options))),
  text: outcomeText,
});

const list = defineCommand<DataOptions & { docid?: string; before?: number; limit: number }, EditRecord[]>({
  name: 'list',
  summary: 'show the edits, newest first',
  options: {
    ...dataOptions,
    docid: { flags: '--docid <docid>', description: 'those of one document' },
    before: { flags: '--before <seq>', description: 'those before this one', parse: seqs },
    limit: { flags: '--limit <n>', description: 'so many at most', parse: integer(1, 1_000_000), default: 100 },
  },
  run: ({ docid: name, before, limit, ...options }) =>
    readData(options, (store) => new EditLog(store).edits({ docid: name, before, limit })),
  json: (edits) => ({ edits }),
  text: recordsText,
});

export const editGroup = defineGroup(
  'edit',
  'edit the documents of a data folder: add, import, delete, change, rename, undo, revert, list',
  [add, importFile, remove, change, rename, undo, revert, list],
);

/** @throws EditRefusedError, and what the editor throws */
async function edit(options: BudgetOptions, note: Note, operations: readonly Operation[]): Promise<EditOutcome> {
  if (operations.length > editLimits.operations)
    throw new UsageError(
      `edit: expected at most ${editLimits.operations} documents in one edit, got ${operations.length}; "edit import" adds them in several`,
    );
  const { author, dryRun = false, budget } = options;
  const request = { operations, dryRun, ...(author !== undefined && { author }) };
  const outcome = await withEditor(options, note, (editor) =>
    editor.edit({ ...request, ...(budget !== undefined && { budget: budget / 100 }) }),
  );
  if (!outcome.accepted && !dryRun) throw new EditRefusedError(outcome);
  return outcome;
}

const back = ({ author, dryRun = false }: EditOptions) => ({ dryRun, ...(author !== undefined && { author }) });

interface GivenContent {
  readonly document: Partial<NewDocument> & { readonly docid: string };
  readonly queries?: readonly string[];
}

/** @throws UsageError, ImportError */
function documents(name: string | undefined, options: ContentOptions): readonly GivenContent[] {
  const { title, text, textFile, query = [], queries, file } = options;
  const single = Object.entries({ docid: name, '--title': title, '--text': text, '--text-file': textFile });
  const [beside] = single.find(([, value]) => value !== undefined) ?? [];
  if (file !== undefined) {
    if (beside !== undefined || queries !== undefined || query.length)
      throw new UsageError(`--file ${file}: expected no ${beside ?? 'queries'} beside it; put all into the file`);
    const read = readDocuments(file);
    if (!read.length) throw new UsageError(`--file ${file}: expected documents, got none`);
    return read;
  }
  if (name === undefined) throw new UsageError('edit: expected a docid or --file, got neither; see --help');
  if (text !== undefined && textFile !== undefined)
    throw new UsageError('--text-file: expected no --text beside it; choose one');
  const asked = [...query, ...(queries === undefined ? [] : readQueries(queries))];
  const said = textFile === undefined ? text : readText(textFile, '--text-file');
  if (title === undefined && said === undefined && !asked.length)
    throw new UsageError(`edit: expected a title, a text or queries for '${name}', got none; see --help`);
  const document = { docid: name, ...(title !== undefined && { title }), ...(said !== undefined && { text: said }) };
  return [{ document, ...(asked.length && { queries: asked }) }];
}

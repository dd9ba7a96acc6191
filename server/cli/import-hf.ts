import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { openStore } from '../../corpus/store.ts';
import { importHf as importModel, type ImportCorpus, type ImportedModel } from '../../models/import-hf.ts';
import { cachedSnapshot, downloadModel, isHubId } from '../hub.ts';
import { nameOf } from '../paths.ts';
import { defineCommand, UsageError, type Note } from './command.ts';
import { importBar } from './import-bar.ts';

interface Options {
  corpus: string;
  out: string;
  docids?: string;
  partial?: boolean;
}

interface Arguments {
  from: string;
}

export const importHf = defineCommand<Options, ImportedModel, Arguments>({
  name: 'import-hf',
  summary: 'make a model folder of a Hugging Face T5 that has one added token for each document',
  arguments: {
    from: { syntax: '<folder|hub-id>', description: 'folder of the checkpoint, or owner/name on the Hugging Face hub' },
  },
  options: {
    corpus: {
      flags: '--corpus <path>',
      description: 'documents that it was trained on: BEIR folder, or a .jsonl, .csv or .tsv file',
      required: true,
    },
    out: { flags: '--out <dir>', description: 'model folder to write', parse: (path) => resolve(path), required: true },
    docids: {
      flags: '--docids <file>',
      description:
        'which token is which document, where tokens are not named @DOC_ID_<docid>@: a JSON object, or lines of token, tab, docid',
    },
    partial: { flags: '--partial', description: 'accept documents that only the corpus or only the checkpoint has' },
  },
  async run({ from, corpus, out, docids, partial }, note) {
    const names = docids === undefined ? undefined : readDocids(docids);
    const documents = readCorpus(corpus);
    const { dir, name, done } = await checkpointOf(from, out, note);
    const imported = importModel({ from: dir, out, corpus: documents, docids: names, partial, name });
    done();
    return imported;
  },
  text: ({ out, documents, parameters, dtype, linked, only }) =>
    [
      `${out}: ${documents} documents, ${(parameters / 1e6).toFixed(0)} million parameters, weights ${
        linked ? `linked (${dtype.to})` : `converted from ${dtype.from} to ${dtype.to}`
      }`,
      ...(only.corpus ? [`${only.corpus} documents of the corpus have no token: only BM25 finds them`] : []),
      ...(only.model ? [`${only.model} docids are not in the corpus: they are never answered`] : []),
    ].join('\n'),
});

function readCorpus(path: string): ImportCorpus {
  const store = openStore(':memory:');
  const progress = importBar();
  try {
    importCorpus(store, path, { onProgress: progress.update });
    return { name: nameOf(resolve(path)), fingerprint: store.fingerprint(), docids: store.liveDocids() };
  } finally {
    progress.stop();
    store.close();
  }
}

/** Token → docid. @throws UsageError */
export function readDocids(file: string): Map<string, string> {
  const fail = (expected: string, actual: string): never => {
    throw new UsageError(`--docids ${file}: expected ${expected}, got ${actual}`);
  };
  if (!existsSync(file)) return fail('a file', 'none there');
  const text = readFileSync(file, 'utf8');
  if (text.trimStart().startsWith('{')) {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      return fail('a JSON object, or lines of token, tab, docid', String(cause));
    }
    const entries = Object.entries(json as object) as [string, unknown][];
    const bad = entries.find(([, docid]) => typeof docid !== 'string' || docid === '');
    if (bad) fail('a docid for each token', `${JSON.stringify(bad[1])} for ${bad[0]}`);
    return new Map(entries as [string, string][]);
  }
  const names = new Map<string, string>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (!line) continue;
    const [token, docid, ...more] = line.split('\t');
    if (!token || !docid || more.length) fail('token, tab, docid', `line ${i + 1}: ${JSON.stringify(line)}`);
    if (names.has(token)) fail('each token once', `${token} again in line ${i + 1}`);
    names.set(token, docid);
  }
  if (!names.size) fail('a docid for each token', 'an empty file');
  return names;
}

interface Checkpoint {
  readonly dir: string;
  readonly name: string;
  /** Removes what was downloaded. */
  readonly done: () => void;
}

/** Where the checkpoint lies, downloaded beside `out` where it is on the hub alone. */
async function checkpointOf(from: string, out: string, note: Note): Promise<Checkpoint> {
  const done = (): void => undefined;
  if (existsSync(from) || !isHubId(from)) return { dir: resolve(from), name: basename(resolve(from)), done };
  const cached = cachedSnapshot(from);
  if (cached !== undefined) return { dir: cached, name: from, done };
  const dir = join(dirname(out), `.${basename(out)}.palimpsest-download`);
  let last = '';
  await downloadModel(from, dir, ({ file, totalBytes }) => {
    if (file === last) return;
    note(`downloading ${file} (${(totalBytes / 1e6).toFixed(0)} MB)`);
    last = file;
  });
  return { dir, name: from, done: () => rmSync(dir, { recursive: true, force: true }) };
}

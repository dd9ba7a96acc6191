/** A real server over a tiny random model and a tiny corpus: real sessions, real SQLite, real HTTP on a free port. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createRng } from '../../corpus/random.ts';
import { createConfig } from '../../models/config.ts';
import { expectedWeights, writeModelFolder, type Genir } from '../../models/folder.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { startServer, type RunningServer, type ServeOptions } from '../../server/serve.ts';

/** What the tests of a file leave behind goes at the end of the file, whichever hook or test made it. */
const leftovers: (() => Promise<void> | void)[] = [];
after(async () => {
  for (const clean of leftovers.reverse()) await clean();
});

export function tempFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'palimpsest-server-'));
  leftovers.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const subjects = [
  'river',
  'mountain',
  'violin',
  'volcano',
  'bakery',
  'comet',
  'harbour',
  'library',
  'glacier',
  'orchard',
  'lantern',
  'compass',
];
const categories = ['nature', 'arts', 'everyday'];

/** Twelve documents d0 … d11 in three categories; the last two are not in the model. */
export const documents = subjects.map((subject, i) => ({
  _id: `d${i}`,
  title: `The ${subject}`,
  text: `A short text about a ${subject}, number ${i}, <b>with</b> some words about the ${subjects[(i + 1) % subjects.length]} & more.`,
  metadata: { category: categories[i % 3], number: i },
}));
export const inModel = documents.slice(0, 10).map(({ _id }) => _id);

/** Writes the corpus as a BEIR folder. */
export function writeCorpus(dir: string, content = documents): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'corpus.jsonl'), content.map((document) => `${JSON.stringify(document)}\n`).join(''));
  return dir;
}

/** Writes a two-layer T5 with random weights and a row for each docid. The same seed writes the same model. */
export function writeTinyModel(dir: string, docids = inModel, seed = 1): string {
  const tokenizer = trainTokenizer(
    documents.map(({ title, text }) => `${title} ${text}`),
    { vocabSize: 400, minWordCount: 1 },
  );
  const firstDocidToken = 400;
  const config = createConfig({
    vocab_size: firstDocidToken + docids.length,
    d_model: 32,
    d_kv: 8,
    d_ff: 64,
    num_layers: 2,
    num_heads: 4,
  });
  const rng = createRng(seed);
  const weights = new Map(
    expectedWeights(config).map(({ name, shape }) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      // Norms 1; word and docid embeddings of unit size; matrices small enough to keep states tame.
      const scale = name === 'shared.weight' ? 2 : 0.4;
      for (let i = 0; i < data.length; i++) data[i] = name.includes('layer_norm') ? 1 : scale * (rng.next() - 0.5);
      return [name, { shape, data }] as const;
    }),
  );
  const genir: Genir = {
    format: 'palimpsest-genir',
    version: 1,
    scheme: 'atomic',
    docids,
    firstDocidToken,
    corpus: { fingerprint: null, documents: docids.length },
  };
  writeModelFolder(dir, { config, weights, genir, ...tokenizer });
  return dir;
}

/** A folder with a model and a corpus, gone after the tests. */
export function tinyWorld(): { dir: string; modelDir: string; corpus: string; dataDir: string } {
  const dir = tempFolder();
  return {
    dir,
    modelDir: writeTinyModel(join(dir, 'model')),
    corpus: writeCorpus(join(dir, 'corpus')),
    dataDir: join(dir, 'data'),
  };
}

/** Every test server takes this key beside those of its data folder, unless a test gives another. */
export const adminKey = 'the-admin-key-of-the-tests';
export const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
export const asAdmin = bearer(adminKey);

export type TestServer = RunningServer & { readonly lines: string[] };

/** Starts a server on a free port; closed after the tests at the latest. What it logs is in `lines`. */
export async function startTestServer(options: Partial<ServeOptions> = {}): Promise<TestServer> {
  const lines: string[] = [];
  const { modelDir, corpus, dataDir } = tinyWorld();
  const log = (line: string): void => void lines.push(line);
  const usual = { modelDir, corpus, dataDir, port: 0, host: '127.0.0.1', adminKey, log };
  const server = await startServer({ ...usual, ...options });
  leftovers.push(() => server.close());
  return { ...server, lines };
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export async function get<T = Record<string, unknown>>(url: string, init?: RequestInit): Promise<Answer<T>> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = text !== '' && /[/+]json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}

/** Posts JSON; a string goes as it is. */
export function post<T = Record<string, unknown>>(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<T>> {
  return get<T>(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

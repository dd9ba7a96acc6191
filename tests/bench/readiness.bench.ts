/**
 * How ready a model is for documents it was not trained on: nothing but a row is added for each.
 *
 *     npm run bench -- readiness [--model DIR] [--corpus DIR] [--additions DIR] [--factors .6,.7,…] [--queries N] [--limit N]
 *
 * The rows are appended in a ModelVersion. Their directions come from the text (Σ BM25 weight · token direction, as in
 * models/training/text-rows.ts), or from the decoder's states for N pseudo-queries of the document: their mean, and
 * their mean less that of all new documents. Their length is that of a trained row on average, times a factor; in the
 * reserved dimensions, which mark a row as a document's, they are the mean of the trained rows. For every direction and factor: Success@1 and @10 of the test queries of the old documents, and of the added ones; beside
 * them the old documents before the addition, and BM25 over all documents. JSON on stdout.
 */
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { LexicalTeacher } from '../../corpus/bm25.ts';
import type { Document, JudgedQuery, Split } from '../../corpus/documents.ts';
import { importCorpus } from '../../corpus/import-corpus.ts';
import { PseudoQueries } from '../../corpus/pseudo-queries.ts';
import { createRng } from '../../corpus/random.ts';
import { openStore } from '../../corpus/store.ts';
import { baseVersion, DocidDecoder, MAX_QUERY_TOKENS, wordWeights } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { docidDecoderGraph } from '../../models/graphs.ts';
import { int64, Session, tensor } from '../../models/session.ts';
import { unembedName } from '../../models/t5.ts';
import { loadTokenizer, padBatch } from '../../models/tokenizer.ts';
import { docidPlaces, RESERVED } from '../../models/training/docid-space.ts';
import { reservedMean, TextRows } from '../../models/training/text-rows.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

const K = 10;
const BATCH = 64;
const SEED = 1;

interface Corpus {
  readonly documents: readonly Document[];
  readonly queries: (split: Split) => JudgedQuery[];
}

function readCorpus(path: string): Corpus {
  const store = openStore(':memory:');
  try {
    importCorpus(store, path);
    const queries = { train: store.queries('train'), dev: store.queries('dev'), test: store.queries('test') };
    return { documents: [...store.eachDocument()], queries: (split) => queries[split] };
  } finally {
    store.close();
  }
}

const round = (x: number): number => Math.round(x * 10_000) / 10_000;

interface Success {
  readonly 'Success@1': number;
  readonly 'Success@10': number;
}

/** @param answers  for each query its documents, best first */
function successOf(queries: readonly JudgedQuery[], answers: readonly (readonly string[])[]): Success {
  const share = (depth: number): number => {
    const right = queries.filter(({ relevant }, i) => answers[i].slice(0, depth).some((id) => relevant.includes(id)));
    return round(right.length / queries.length);
  };
  return { 'Success@1': share(1), 'Success@10': share(K) };
}

async function measure(decoder: DocidDecoder, queries: readonly JudgedQuery[], docids: readonly string[]) {
  const answers: string[][] = [];
  for (let i = 0; i < queries.length; i += BATCH) {
    const batch = queries.slice(i, i + BATCH).map(({ text }) => ({ query: text, k: K }));
    for (const { rows } of await decoder.retrieve(batch)) answers.push(Array.from(rows, (row) => docids[row]));
  }
  return successOf(queries, answers);
}

/** The decoder's state for each of `queries`, float32 [D]. */
async function states(folder: ModelFolder, queries: readonly string[], threads: number): Promise<Float32Array[]> {
  const { config } = folder;
  const d = config.d_model;
  const words = folder.genir!.firstDocidToken;
  const session = await Session.open(docidDecoderGraph({ ...config, vocab_size: words }, wordWeights(folder, words)), {
    threads,
  });
  const tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
  const out: Float32Array[] = [];
  for (let i = 0; i < queries.length; i += BATCH) {
    const batch = queries.slice(i, i + BATCH).map((query) => tokenizer.encode(query));
    const { inputIds, mask, length } = padBatch(batch);
    const shape = [batch.length, length];
    const none = {
      rows: tensor(new Float32Array(d), [1, d]),
      bias: tensor(new Float32Array(1), [1, 1]),
      k: int64([1]),
    };
    const feeds = { ...none, input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) };
    const { state } = await session.run(feeds, ['state']);
    for (let b = 0; b < batch.length; b++) out.push((state.data as Float32Array).slice(b * d, (b + 1) * d));
  }
  await session.release();
  return out;
}

function meanOf(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0].length);
  for (const vector of vectors) for (let j = 0; j < sum.length; j++) sum[j] += vector[j] / vectors.length;
  return sum;
}

const lengthOf = (vector: Float32Array): number => Math.hypot(...vector);
const scaledTo = (length: number, vector: Float32Array): Float32Array => {
  const scale = length / (lengthOf(vector) || 1);
  return vector.map((x) => x * scale);
};

/** Without the reserved dimensions. */
const directionOf = (vector: Float32Array): Float32Array => scaledTo(1, vector.slice().fill(0, 0, RESERVED));

/** Directions of the added documents, length 1 and nothing in the reserved dimensions, by the way they are made. */
async function directions(
  folder: ModelFolder,
  old: Corpus,
  added: readonly Document[],
  { queries, threads }: { queries: number; threads: number },
): Promise<Record<string, Float32Array[]>> {
  const all = [...old.documents, ...added];
  const first = old.documents.length;
  const tokenizer = loadTokenizer(folder, MAX_QUERY_TOKENS);
  const textRows = new TextRows(all, new LexicalTeacher(all), (word) => tokenizer.encode(word).slice(0, -1));
  const embeddings = folder.tensor('shared.weight').data;
  const like = { length: 1, reserved: new Float32Array(RESERVED), places: docidPlaces(folder.config) };
  const text = added.map((_, i) => textRows.row(first + i, embeddings, folder.config.d_model, like));

  const pseudo = new PseudoQueries(all, { skeletons: old.queries('train').map(({ text }) => text) });
  const rng = createRng(SEED);
  const drawn = added.flatMap((_, i) => Array.from({ length: queries }, () => pseudo.draw(first + i, rng)));
  const found = (await states(folder, drawn, threads)).map((state) => scaledTo(1, state));
  const means = added.map((_, i) => meanOf(found.slice(i * queries, (i + 1) * queries)));
  const common = meanOf(means);
  const centred = means.map((mean) => mean.map((x, j) => x - common[j]));
  return { text, states: means.map(directionOf), 'states, centred': centred.map(directionOf) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: builtinModel },
      corpus: { type: 'string', default: builtinCorpus },
      additions: { type: 'string', default: `${builtinCorpus}/additions` },
      factors: { type: 'string', default: '.6,.7,.8,.9,1,1.1,1.2' },
      queries: { type: 'string', default: '24' },
      limit: { type: 'string', default: '1000000' },
      threads: { type: 'string', default: String(availableParallelism()) },
    },
  });
  const [queries, limit, threads] = [values.queries, values.limit, values.threads].map(Number);
  const folder = readModelFolder(values.model);
  const [old, additions] = [readCorpus(values.corpus), readCorpus(values.additions)];
  const decoder = await DocidDecoder.open(folder, { threads });
  const { docids, firstDocidToken } = folder.genir!;
  const known = new Set(docids);
  const added = additions.documents.filter(({ docid }) => !known.has(docid));
  const allDocids = [...docids, ...added.map(({ docid }) => docid)];
  const [oldQueries, newQueries] = [old, additions].map((corpus) => corpus.queries('test').slice(0, limit));

  const { data, shape } = folder.tensor(unembedName(folder.config));
  const d = shape[1];
  const trained = data.subarray(firstDocidToken * d, (firstDocidToken + docids.length) * d);
  const reserved = reservedMean(trained, d);
  let meanLength = 0;
  for (let at = 0; at < trained.length; at += d)
    meanLength += lengthOf(trained.subarray(at + RESERVED, at + d)) / docids.length;

  const before = await measure(decoder, oldQueries, allDocids);
  const after: object[] = [];
  for (const [way, vectors] of Object.entries(await directions(folder, old, added, { queries, threads }))) {
    for (const factor of values.factors.split(',').map(Number)) {
      await decoder.publish({
        ...baseVersion(allDocids.length),
        editSeq: after.length + 1,
        rows: vectors.map((vector, i) => {
          const values = scaledTo(meanLength * factor, vector);
          values.set(reserved);
          return { row: docids.length + i, values };
        }),
      });
      const [oldAfter, newAfter] = [
        await measure(decoder, oldQueries, allDocids),
        await measure(decoder, newQueries, allDocids),
      ];
      after.push({ rows: way, factor, old: oldAfter, new: newAfter });
      console.error(
        `${way} × ${factor}: old ${before['Success@1']} → ${oldAfter['Success@1']}, new ${newAfter['Success@1']}`,
      );
    }
  }
  await decoder.close();

  const everything = [...old.documents, ...added];
  const teacher = new LexicalTeacher(everything);
  const [bm25Old, bm25New] = [oldQueries, newQueries].map((list) =>
    successOf(
      list,
      list.map(({ text }) => Array.from(teacher.top(text, K).rows, (row) => everything[row].docid)),
    ),
  );
  const report = {
    bench: 'readiness',
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0].model,
      cores: availableParallelism(),
      loadAverage: loadavg().map(round),
      node: process.version,
    },
    model: { dir: values.model, documents: docids.length, d_model: d, meanRowLength: round(meanLength) },
    added: added.length,
    queries: { old: oldQueries.length, new: newQueries.length, pseudoPerDocument: queries },
    before: { old: before },
    after,
    bm25: { old: bm25Old, new: bm25New },
  };
  console.log(JSON.stringify(report, null, 2));
}

await main();

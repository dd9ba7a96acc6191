/**
 * @file From a corpus to a model folder whose docids are paths of a cluster and a document: tokenizer, clusters, lexical
 * start, export. Resumable at every checkpoint.
 */
import { clusterHierarchy } from '../../../corpus/docids/cluster.ts';
import { semanticPaths } from '../../../corpus/docids/semantic.ts';
import type { PathGenir } from '../../genir.ts';
import { ModelFolderWriteError, writeModelFolder } from '../../folder.ts';
import { loadTokenizer, type Tokenizer } from '../../tokenizer.ts';
import { fitsFloat16 } from '../../weights.ts';
import type { Parameter } from '../adam.ts';
import {
  checkNoCheckpoint,
  readCheckpoint,
  remedyOf,
  removeCheckpoint,
  writeCheckpoint,
  type CurvePoint,
  type RunIdentity,
} from '../checkpoint.ts';
import { Examples, expanded } from '../examples.ts';
import { exportWeights } from '../folder-state.ts';
import { heldOutBatches, measureSuccess } from '../held-out.ts';
import {
  CHECKPOINT_EVERY_MS,
  checkOutput,
  checkTokenizer,
  checkpointDirOf,
  DEV_QUERIES,
  digest,
  EXAMPLES,
  judged,
  leaveOut,
  NothingToIndexError,
  OutputError,
  settingsOf,
  tokenizerFiles,
  type IndexInput,
  type IndexOptions,
  type IndexResult,
} from '../index-corpus.ts';
import { configOf, PATH_WORDS } from '../sizes.ts';
import { weightedTokens, type WeightedTokens } from '../text-rows.ts';
import { trainedShapes, trainingState } from '../trainer.ts';
import {
  impactsByRow,
  PathBagEvaluator,
  randomSeeds,
  seedRows,
  startPathBag,
  trainPathBag,
  type PathBag,
} from './bag.ts';
import { pathLayout } from './layout.ts';
import { placePathBag } from './place.ts';

/** Without another model to start from, and without training after the lexical start. */
export type IndexPathsOptions = Omit<IndexOptions, 'from' | 'steps'>;

/** Documents in paths of two tokens: semantic docids, a token for each cluster and one for each document. */
export async function indexPaths(input: IndexInput, options: IndexPathsOptions): Promise<IndexResult> {
  const { size, seed, threads, onProgress, checkpointEveryMs = CHECKPOINT_EVERY_MS } = options;
  if (!input.documents.length) throw new NothingToIndexError('index: the corpus has no documents; import some first');
  const { documents, withoutDocs } = leaveOut(input.documents, options.withoutDocs);
  const settings = { ...settingsOf(options), words: PATH_WORDS[size] };
  const started = Date.now();
  checkOutput(options.out);
  const checkpointDir = checkpointDirOf(options.out);
  if (!options.resume) checkNoCheckpoint(checkpointDir);

  onProgress({ phase: 'tokenizer', step: 0, steps: 1 });
  const files = tokenizerFiles(input, settings.vocabulary, undefined, options.tokenizer);
  const tokenizer = loadTokenizer(files, EXAMPLES.maxTokens);
  const words = tokenizer.size;
  const rowOf = new Map(documents.map(({ docid }, row) => [docid, row]));
  const train = judged(input.train, rowOf);
  const examples = new Examples(documents, train, tokenizer, { seed, ...EXAMPLES });
  const dev = heldOutBatches(judged(input.dev, rowOf).slice(0, DEV_QUERIES), examples);

  const wide = configOf(settings, words, documents.length);
  if (options.tokenizer) checkTokenizer(tokenizer, options.tokenizer.file ?? 'tokenizer.json', wide, undefined);
  const layout = pathLayout(wide, documents.length);
  const { d_kv: K, eos_token_id: end } = wide;
  const names = Array.from({ length: words }, (_, id) => tokenizer.token(id) ?? `${id}`);
  const random = randomSeeds(names, K, layout.classes, seed);
  const weighted = tokensOf(expanded(documents, train), examples, tokenizer);
  const rows = seedRows(weighted, random, K, layout.classes);
  const clusters = clusterHierarchy(rows, K * layout.classes, {
    branching: Math.max(2, layout.clusters),
    leafSize: Math.ceil(documents.length / layout.clusters),
    depth: 1,
    seed,
  });
  const { clusterOf, count } = numbered(clusters.map((place) => place[0] ?? 0));
  const config = { ...wide, vocab_size: words + count + documents.length };
  const bag = startPathBag(weighted, clusterOf, random, rows, { ...layout, clusters: count }, end);

  const identity: RunIdentity = {
    fingerprint: input.fingerprint,
    docids: 'semantic',
    size,
    seed,
    queries: digest(train),
    settings: digest({ settings, EXAMPLES, layout }),
    threads, // which may order the sums of a gradient
    tokenizer: digest(files),
    withoutDocs: withoutDocs.length ? digest(withoutDocs) : null,
  };
  const resumed = options.resume ? readCheckpoint(checkpointDir, identity) : undefined;
  const curve: CurvePoint[] = [...(resumed?.curve ?? [])];
  const elapsed = (): number => (resumed?.seconds ?? 0) + (Date.now() - started) / 1000;
  const trained: PathBag = resumed ? { ...bag, ...bagFrom(resumed.parameters) } : bag;
  const { steps } = settings.words;
  let saved = Date.now();
  let losses: number[] = [];
  const evaluator = await PathBagEvaluator.open(trained, end, threads);
  try {
    await trainPathBag(
      trained,
      examples,
      end,
      { ...settings.words, threads },
      resumed?.step ?? 0,
      async (step, loss) => {
        losses.push(loss);
        const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
        if (step % Math.max(1, Math.round(steps / 12)) === 0 || step === steps) {
          const measured = await measureSuccess(dev, documents.length, (batch) => evaluator.logits(batch));
          if (measured) curve.push({ phase: 'words', step, seconds: Math.round(elapsed()), loss: mean, ...measured });
          losses = [];
        }
        onProgress({ phase: 'words', step, steps, loss: mean, success: curve.at(-1)?.success });
        if (Date.now() - saved >= checkpointEveryMs || step === steps) {
          const parameters = parametersOf(trained);
          writeCheckpoint(checkpointDir, identity, { phase: 'words', step, seconds: elapsed(), curve, parameters });
          saved = Date.now();
        }
      },
    );
  } finally {
    await evaluator.close();
  }

  onProgress({ phase: 'writing', step: 0, steps: 1 });
  const placed = placePathBag(trained, config, trainedShapes(config), [examples.batch(3, 0, 128)], seed);
  const weights = exportWeights(config, trainingState(placed), words, undefined, seed);
  const paths = semanticPaths(Array.from(clusterOf, (c) => [c]));
  const genir: PathGenir = {
    format: 'palimpsest-genir',
    version: 2,
    scheme: 'semantic',
    docids: documents.map(({ docid }) => docid),
    paths: paths.map((path) => path.join(' ')),
    codes: [...namesOfClusters(paths, clusterOf, count), ...paths.map((path) => path.at(-1)!)],
    firstDocidToken: words,
    corpus: {
      fingerprint: input.fingerprint,
      documents: documents.length,
      ...(input.name ? { name: input.name } : {}),
    },
    training: {
      ...{ size, seed, from: null, trainQueries: train.length, withoutDocs },
      ...{ seconds: Math.round(elapsed()), examples: EXAMPLES, settings, layout: trained.layout, curve },
    },
  };
  const dtype = [...weights.values()].every(({ data }) => fitsFloat16(data)) ? 'F16' : 'F32';
  try {
    writeModelFolder(options.out, { config, weights, ...files, genir, dtype });
  } catch (cause) {
    if (!(cause instanceof ModelFolderWriteError)) throw cause;
    const advice = `the training is kept: ${remedyOf(cause)}run again with --resume`;
    throw new OutputError(`${cause.message}; ${advice}`, { cause });
  }
  removeCheckpoint(checkpointDir);
  const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  return { out: options.out, documents: documents.length, parameters, seconds: elapsed(), curve };
}

/** Each document as the tokens of its words, with what BM25 gives them. */
function tokensOf(
  documents: readonly { title: string; text: string }[],
  examples: Examples,
  tokenizer: Tokenizer,
): WeightedTokens[] {
  const impacts = impactsByRow(examples.teacher);
  const pieces = new Map<string, readonly number[]>();
  const encode = (word: string): readonly number[] => {
    let known = pieces.get(word);
    if (!known) pieces.set(word, (known = tokenizer.encode(word).slice(0, -1)));
    return known;
  };
  return documents.map((document, row) => weightedTokens(document, (name) => impacts.get(name)?.get(row) ?? 0, encode));
}

/** Clusters by numbers from 0 without gaps. */
function numbered(places: readonly number[]): { clusterOf: Int32Array; count: number } {
  const numbers = new Map([...new Set(places)].sort((a, b) => a - b).map((place, i) => [place, i]));
  return { clusterOf: Int32Array.from(places, (place) => numbers.get(place)!), count: numbers.size };
}

function namesOfClusters(
  paths: readonly (readonly string[])[],
  clusterOf: Int32Array,
  count: number,
): readonly string[] {
  const names = new Array<string>(count);
  clusterOf.forEach((c, row) => (names[c] = paths[row][0]));
  return names;
}

const PARTS = ['topics', 'seeds', 'importance', 'rows'] as const;

const parametersOf = (bag: PathBag): Map<string, Parameter> => new Map(PARTS.map((part) => [part, bag[part]]));

const bagFrom = (parameters: ReadonlyMap<string, Parameter>): Pick<PathBag, (typeof PARTS)[number]> =>
  Object.fromEntries(PARTS.map((part) => [part, parameters.get(part)!])) as Pick<PathBag, (typeof PARTS)[number]>;

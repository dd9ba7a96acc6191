import { clusterHierarchy } from '../../../corpus/docids/cluster.ts';
import { dealt } from '../../../corpus/docids/dealt.ts';
import type { DocidScheme } from '../../../corpus/docids/scheme.ts';
import { semanticPaths } from '../../../corpus/docids/semantic.ts';
import type { Tokenizer } from '../../tokenizer.ts';
import type { Parameter } from '../adam.ts';
import { expanded, type Examples } from '../examples.ts';
import { measureSuccess } from '../held-out.ts';
import { weightedTokens, type WeightedTokens } from '../text-rows.ts';
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
import { withSketch } from './sketch.ts';
import type { PathStart, StartInput } from './start.ts';

/** In place of a cluster, for documents that come later. */
const LATER = '<later>';

/** Which cluster each document belongs to, for docids of a cluster's token and one of the document's own. */
interface Clustering {
  /** Documents of a cluster, on average, unless said, where the width of the model allows so many clusters. */
  readonly size: number;
  /**
   * @param rows  of the documents, float32 [N, D]
   * @returns     [N] numbers from 0
   */
  assign(input: { docids: readonly string[]; rows: Float32Array; D: number; clusters: number; seed: number }): number[];
}

const clusterings: { readonly [S in 'semantic' | 'hashed']: Clustering } = {
  semantic: {
    size: 6,
    assign: ({ docids, rows, D, clusters, seed }) =>
      clusterHierarchy(rows, D, {
        branching: Math.max(2, clusters),
        leafSize: Math.ceil(docids.length / clusters),
        depth: 1,
        seed,
      }).map((place) => place[0] ?? 0),
  },
  hashed: { size: 4, assign: ({ docids, clusters, seed }) => dealt(docids, clusters, seed) },
};

/** Schemes whose docids begin with a cluster. */
export const clusteredSchemes = Object.keys(clusterings) as readonly DocidScheme[];

/** Docids of a cluster of similar documents, then a token of the document's own. */
export const semanticStart = (input: StartInput): Promise<PathStart> => twoTokenStart(input, clusterings.semantic);

/** Docids of a cluster that documents are dealt to, then a token of the document's own. */
export const hashedStart = (input: StartInput): Promise<PathStart> => twoTokenStart(input, clusterings.hashed);

async function twoTokenStart(input: StartInput, clustering: Clustering): Promise<PathStart> {
  const { documents, train, examples, dev, tokenizer, config, settings, seed, threads } = input;
  const layout = pathLayout(config, documents.length, input.clusterSize ?? clustering.size);
  const { d_kv: K, eos_token_id: end } = config;
  const names = Array.from({ length: tokenizer.size }, (_, id) => tokenizer.token(id) ?? `${id}`);
  const random = randomSeeds(names, K, layout.classes, seed);
  const weighted = tokensOf(expanded(documents, train), examples, tokenizer);
  const rows = seedRows(weighted, random, K, layout.classes);
  const docids = documents.map(({ docid }) => docid);
  const { clusters, classes } = layout;
  const { clusterOf, count } = numbered(clustering.assign({ docids, rows, D: K * classes, clusters, seed }));
  const paths = semanticPaths(Array.from(clusterOf, (c) => [c]));
  let bag = startPathBag(weighted, clusterOf, random, rows, { ...layout, clusters: count }, end);
  const evaluator = await PathBagEvaluator.open(bag, end, threads);
  return {
    paths,
    codes: [...namesOfClusters(paths, clusterOf, count), ...paths.map((path) => path.at(-1)!), LATER],
    later: LATER,
    record: { layout: bag.layout },
    words: {
      steps: settings.words.steps,
      parameters: () => new Map(PARTS.map((part) => [part, bag[part]])),
      restore: (parameters) => (bag = { ...bag, ...partsFrom(parameters) }),
      train: (from, onStep) => trainPathBag(bag, examples, end, { ...settings.words, threads }, from, onStep),
      measure: () => measureSuccess(dev, documents.length, (batch) => evaluator.logits(bag, batch)),
      close: () => evaluator.close(),
    },
    place: (whole, shapes, sample) => placePathBag(withSketch(bag, names, seed), whole, shapes, sample, seed),
  };
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

const partsFrom = (parameters: ReadonlyMap<string, Parameter>): Pick<PathBag, (typeof PARTS)[number]> =>
  Object.fromEntries(PARTS.map((part) => [part, parameters.get(part)!])) as Pick<PathBag, (typeof PARTS)[number]>;

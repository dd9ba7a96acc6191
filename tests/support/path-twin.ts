/**
 * @file Models with paths as docids that are made of atomic ones: every step of a path has the very state in which the atomic
 * model answers. What a cluster's token says when it is read is what the start token says, so that all positions are one.
 */
import { clusterHierarchy } from '../../corpus/docids/cluster.ts';
import { semanticPaths } from '../../corpus/docids/semantic.ts';
import { codesOf } from '../../corpus/docids/paths.ts';
import { writeModelFolder, type ModelFolder } from '../../models/folder.ts';
import { atomicGenir, type PathGenir } from '../../models/genir.ts';
import { unembedName } from '../../models/t5.ts';
import type { WeightTensor } from '../../models/weights.ts';

export interface PathTwinOptions {
  /** Documents of a cluster. */
  readonly leafSize: number;
  /** Levels of clusters. @default 1 */
  readonly depth?: number;
  /** What a cluster's row is of the mean of its documents' rows, in length. @default 0.5 */
  readonly scale?: number;
  /** Whether there is a code for later documents: a cluster of all documents. @default false */
  readonly later?: boolean;
}

/** A cluster's token, then a document's own, which has the row that the atomic model has for it. */
export function writePathTwin(dir: string, folder: ModelFolder, options: PathTwinOptions): string {
  const { leafSize, depth = 1, scale = 0.5, later = false } = options;
  const { docids, firstDocidToken: words, corpus } = atomicGenir(folder);
  const { d_model: D, decoder_start_token_id: start } = folder.config;
  const unembedding = folder.tensor(unembedName(folder.config)).data;
  const embeddings = folder.tensor('shared.weight').data;
  const rows = unembedding.slice(words * D, (words + docids.length) * D);
  const clusters = clusterHierarchy(rows, D, { branching: 64, leafSize, depth, seed: 1 });
  const paths = semanticPaths(clusters);
  const codes = [...codesOf(paths, () => false), ...(later ? ['<later>'] : [])];
  const rowOf = new Map(codes.map((code, i) => [code, words + i]));
  const V = words + codes.length;
  const shared = new Float32Array(V * D);
  const scoring = new Float32Array(V * D);
  shared.set(embeddings.subarray(0, words * D));
  scoring.set(unembedding.subarray(0, words * D));
  const members = new Map<string, number>();
  for (const path of paths) for (const code of path.slice(0, -1)) members.set(code, (members.get(code) ?? 0) + 1);
  paths.forEach((path, n) => {
    const row = rows.subarray(n * D, (n + 1) * D);
    path.forEach((code, t) => {
      const at = rowOf.get(code)! * D;
      const share = t < path.length - 1 ? scale / members.get(code)! : 1;
      row.forEach((x, i) => (scoring[at + i] += share * x));
      if (t < path.length - 1) shared.set(embeddings.subarray(start * D, (start + 1) * D), at);
    });
  });
  if (later) {
    const at = (V - 1) * D;
    for (let i = 0; i < rows.length; i++) scoring[at + (i % D)] += (scale / docids.length) * rows[i];
    shared.set(embeddings.subarray(start * D, (start + 1) * D), at);
  }
  const genir: PathGenir = {
    ...{ format: 'palimpsest-genir', version: 2, scheme: 'semantic', docids: [...docids] },
    paths: paths.map((path) => path.join(' ')),
    ...{ codes, firstDocidToken: words, corpus, ...(later && { later: '<later>' }) },
  };
  const config = { ...folder.config, vocab_size: V, tie_word_embeddings: false };
  const weights = new Map<string, WeightTensor>([...folder.weights.keys()].map((name) => [name, folder.tensor(name)]));
  weights.set('shared.weight', { data: shared, shape: [V, D] });
  weights.set('lm_head.weight', { data: scoring, shape: [V, D] });
  const { tokenizerJson, tokenizerConfig } = folder;
  writeModelFolder(dir, { config, weights, genir, tokenizerJson, tokenizerConfig });
  return dir;
}

/** @file What is told of one retrieval: plain data, for people, pages and programs. */
import type { Writer } from './components.ts';
import type { StageName } from './stages.ts';

/** An entry of the vocabulary: a document, or a piece of text as the tokenizer writes it. */
export type Entry = { readonly docid: string } | { readonly word: string };

export interface RankAfter {
  readonly type: Writer['type'];
  /** −1 for the embedding. */
  readonly layer: number;
  /** In the whole vocabulary by the logit lens; 1 is best. */
  readonly rank: number;
  /** Among docids. */
  readonly docidRank: number;
}

/** What a part of the model adds to the document's logit, and to its distance to the rival's. */
export interface Effect {
  readonly logit: number;
  readonly margin: number;
}

export interface Contribution extends Effect {
  readonly type: Writer['type'];
  /** −1 for the embedding. */
  readonly layer: number;
  /** Null where the layer belongs to none, or the model was never analysed. */
  readonly stage: StageName | null;
}

export interface HeadRead extends Effect {
  readonly layer: number;
  readonly head: number;
  /** Attention to each token of the query; sums to 1. */
  readonly attention: readonly number[];
  /** Best entries of the vocabulary, by the logit lens on what the head adds. */
  readonly wrote: readonly Entry[];
}

export interface FiredNeuron extends Effect {
  readonly layer: number;
  readonly neuron: number;
  readonly activation: number;
  /** Best entries of the vocabulary, by the logit lens on what the neuron adds. */
  readonly promotes: readonly Entry[];
}

/** Ranks and rival are among all documents of the model that are live, whichever of them may be retrieved. */
export interface Explanation {
  /** Number of the last edit of the model that is explained; 0 is the model as it was trained. */
  readonly editSeq: number;
  readonly query: string;
  /** The query as the model reads it. */
  readonly tokens: readonly string[];
  readonly docid: string;
  readonly rank: number;
  readonly docidRank: number;
  readonly logit: number;
  /** The best other document; null where the model has only one. */
  readonly rival: { readonly docid: string; readonly logit: number } | null;
  /** After each part of the decoder has written, in order. */
  readonly ranks: readonly RankAfter[];
  /** Of the same parts; they sum to the logit, and to the distance to the rival's. */
  readonly contributions: readonly Contribution[];
  /** Heads of cross-attention, the largest effects on the margin first. */
  readonly heads: readonly HeadRead[];
  /** Neurons of all layers, likewise. */
  readonly neurons: readonly FiredNeuron[];
}

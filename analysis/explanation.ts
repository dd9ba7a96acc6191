/** @file What is told of one retrieval: plain data, for people, pages and programs. */
import type { Writer } from './components.ts';
import type { StageName } from './stages.ts';

/** An entry of the vocabulary: a document, or a piece of text as the tokenizer writes it. */
export type Entry = { readonly docid: string } | { readonly word: string };

/** The same where docids are paths: a token that one document alone has, a piece of text, or a token of many docids. */
export type PathEntry = Entry | { readonly code: string };

export interface RankAfter {
  readonly type: Writer['type'];
  /** −1 for the embedding. */
  readonly layer: number;
  /** In the whole vocabulary by the logit lens; 1 is best. */
  readonly rank: number;
  /** Among docids; where these are paths, among the tokens that may follow. */
  readonly docidRank: number;
}

/** What a part of the model adds to the logit of the document or token, and to its distance to the rival's. */
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

export interface HeadRead<E = Entry> extends Effect {
  readonly layer: number;
  readonly head: number;
  /** Attention to each token of the query; sums to 1. */
  readonly attention: readonly number[];
  /** Best entries of the vocabulary, by the logit lens on what the head adds. */
  readonly wrote: readonly E[];
}

export interface FiredNeuron<E = Entry> extends Effect {
  readonly layer: number;
  readonly neuron: number;
  readonly activation: number;
  /** Best entries of the vocabulary, by the logit lens on what the neuron adds. */
  readonly promotes: readonly E[];
}

/** How an entry of the vocabulary came out at one position of the decoder. */
export interface Reasons<E = Entry> {
  /** In the whole vocabulary; 1 is best. */
  readonly rank: number;
  /** Among docids; where these are paths, among the tokens that may follow. */
  readonly docidRank: number;
  readonly logit: number;
  /** After each part of the decoder has written, in order. */
  readonly ranks: readonly RankAfter[];
  /** Of the same parts; they sum to the logit, and to the distance to the rival's. */
  readonly contributions: readonly Contribution[];
  /** Heads of cross-attention, the largest effects on the margin first. */
  readonly heads: readonly HeadRead<E>[];
  /** Neurons of all layers, likewise. */
  readonly neurons: readonly FiredNeuron<E>[];
}

/** Of a docid that is one token. Ranks and rival are among all documents of the model that are live, whichever of them may be retrieved. */
export interface Explanation extends Reasons {
  /** Number of the last edit of the model that is explained; 0 is the model as it was trained. */
  readonly editSeq: number;
  readonly query: string;
  /** The query as the model reads it. */
  readonly tokens: readonly string[];
  readonly docid: string;
  /** The best other document; null where the model has only one. */
  readonly rival: { readonly docid: string; readonly logit: number } | null;
}

/** A token that may follow. */
export interface Choice {
  readonly token: string;
  /** The document that alone has it in its docid: at the end, or as a token of a later document's own; null for others. */
  readonly docid: string | null;
  /** After the tokens before it, over the whole vocabulary. */
  readonly logProbability: number;
  /** Whether it is the document's. */
  readonly chosen: boolean;
  /** Whether the search went on with it, or found a document with it; others are left behind. */
  readonly kept: boolean;
}

/** A path, or the beginning of one. */
export interface Reached {
  readonly path: readonly string[];
  /** Its log-probability. */
  readonly score: number;
  /** Of the document whose path it is; null for a beginning. */
  readonly docid: string | null;
}

/** What a beam search of all live documents has after a step. */
export interface BeamAfter {
  /** Place of the document's path, as far as it goes, among what is kept; null where the search has left it behind. */
  readonly place: number | null;
  /** Prefixes that the search goes on with, and documents that it has found. */
  readonly kept: number;
  /** The best of those. */
  readonly best: readonly Reached[];
  /** Prefixes of the step before that have no part in it any more; the best of them. */
  readonly left: readonly Reached[];
}

/** How one token of a path came out after those before it. */
export interface StepExplanation extends Reasons<PathEntry> {
  readonly token: string;
  /** After the tokens before it, over the whole vocabulary: what it adds to the score. */
  readonly logProbability: number;
  /** How many tokens may follow the tokens before it, so that a live document can come of it. */
  readonly allowed: number;
  /** The most probable of them, and the document's. */
  readonly choices: readonly Choice[];
  /** The most probable other one; null where no other may follow. */
  readonly rival: { readonly token: string; readonly logit: number } | null;
  readonly beam: BeamAfter;
}

/** Of a docid that is a path of tokens: every step on its own. All live documents take part, whichever may be retrieved. */
export interface PathExplanation {
  /** Number of the last edit of the model that is explained; 0 is the model as it was trained. */
  readonly editSeq: number;
  readonly query: string;
  /** The query as the model reads it. */
  readonly tokens: readonly string[];
  readonly docid: string;
  /** Names of its tokens. */
  readonly path: readonly string[];
  /** Log-probability of the path: the sum over its steps. */
  readonly score: number;
  /** Prefixes that the search follows at each step. */
  readonly beams: number;
  /** Place among the documents that the search finds; null where it does not find this one. */
  readonly place: number | null;
  readonly steps: readonly StepExplanation[];
}

/** Whatever the docid is made of. */
export type AnyExplanation = Explanation | PathExplanation;

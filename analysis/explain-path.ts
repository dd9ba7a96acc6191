/**
 * @file Why a query led to a document whose docid is a path: for each of its tokens what could follow, what the search went on
 * with, and who wrote the token's logit.
 */
import { beamsFor } from '../models/beam/beams.ts';
import { SequenceDecoder } from '../models/beam/sequence-decoder.ts';
import type { ModelFolder } from '../models/folder.ts';
import { cacheName, pathDecoderGraph } from '../models/graphs.ts';
import { int64, tensor, type Feeds, type FloatTensor, type Session } from '../models/session.ts';
import { unembedName } from '../models/t5.ts';
import { ExplainedParts, stack, type Pass, type Written } from './explain-parts.ts';
import { ExplainedSearch } from './explain-search.ts';
import { PathTokens } from './explain-tokens.ts';
import type { Choice, PathEntry, PathExplanation, StepExplanation } from './explanation.ts';
import { bestTokensGraph } from './graphs/best-tokens.ts';
import { logitDirections } from './logit-attribution.ts';
import { PathLab, type Expected } from './path-lab.ts';
import { stageOf, storedStepStages, type StepStages } from './stages.ts';
import { dot } from './vectors.ts';

export interface ExplainPathOptions {
  /** Number of the document. @default the best that the search finds */
  readonly document?: number | undefined;
  /** Of the search. @default 10 */
  readonly beams?: number | undefined;
  /** Heads, neurons, choices and prefixes at each step, and entries for each of the first two. @default 8 */
  readonly top?: number;
}

/** What a step is made of. */
interface Step {
  readonly pass: Pass;
  readonly expected: Expected;
  /** Log-probabilities of the tokens allowed. */
  readonly logProbabilities: Float32Array;
  readonly search: ExplainedSearch;
}

/** Explains retrievals of one model. Keeps its unembedding and its MLPs' output matrices in memory. */
export class PathExplainer {
  readonly lab: PathLab;
  private readonly decoder: SequenceDecoder;
  private readonly editSeq: number;
  private readonly parts: ExplainedParts;
  private readonly stages: readonly StepStages[] | undefined;
  /** float32 [V, D] */
  private readonly unembedding: FloatTensor;
  private readonly tokens: PathTokens;

  private constructor(lab: PathLab, decoder: SequenceDecoder, editSeq: number) {
    const { folder, config, genir, layers } = lab;
    this.lab = lab;
    this.decoder = decoder;
    this.editSeq = editSeq;
    this.parts = new ExplainedParts(lab);
    this.stages = storedStepStages(folder.dir, genir, layers);
    this.unembedding = tensor(folder.tensor(unembedName(config)).data, [config.vocab_size, config.d_model]);
    this.tokens = new PathTokens(lab);
  }

  /**
   * @param editSeq  number of the last edit that the folder's weights contain
   * @throws NotAnIndexError, NotPathsError, StagesError
   */
  static async open(folder: ModelFolder, { editSeq = 0 }: { readonly editSeq?: number } = {}): Promise<PathExplainer> {
    const lab = new PathLab(folder);
    return new PathExplainer(lab, await SequenceDecoder.open(folder), editSeq);
  }

  async close(): Promise<void> {
    await Promise.all([this.lab.close(), this.decoder.close()]);
  }

  /** @throws RangeError  when the model has no such document, or such a search is impossible */
  async explain(query: string, options: ExplainPathOptions = {}): Promise<PathExplanation> {
    const { lab } = this;
    const { docids } = lab.genir;
    const { document: asked, beams, top = 8 } = options;
    const trace = await this.decoder.trace({ query, k: 1, beams });
    const found = trace.at(-1)?.found ?? [];
    const document = asked ?? found.at(0)?.document;
    if (document === undefined || !(document >= 0 && document < docids.length))
      throw new RangeError(`explain: expected a document's number below ${docids.length}, got ${document}`);
    const search = new ExplainedSearch(lab, this.tokens, trace, document, top);
    const passes = await this.run(query, document);
    const expected = lab.expectedOf(document);
    const scored = await this.allowed(passes, expected);
    const steps: StepExplanation[] = [];
    for (const [t, pass] of passes.entries())
      steps.push(await this.step(t, { pass, expected: expected[t], logProbabilities: scored[t], search }, top));
    const place = found.findIndex((one) => one.document === document);
    return {
      editSeq: this.editSeq,
      query,
      tokens: passes[0].tokens,
      docid: docids[document],
      path: steps.map(({ token }) => token),
      score: steps.reduce((sum, { logProbability }) => sum + logProbability, 0),
      beams: beamsFor(1, beams),
      place: place < 0 ? null : place + 1,
      steps,
    };
  }

  private async step(
    t: number,
    { pass, expected, logProbabilities, search }: Step,
    top: number,
  ): Promise<StepExplanation> {
    const { lab, parts, tokens } = this;
    const { token, allowed } = expected;
    const order = Array.from(allowed.keys()).sort((a, b) => logProbabilities[b] - logProbabilities[a]);
    const own = allowed.indexOf(token);
    const shown = order.slice(0, top);
    if (!shown.includes(own)) shown.push(own);
    const choices = shown.map((c): Choice => {
      const kept = search.isKept(t, allowed[c]);
      const name = { token: tokens.name(allowed[c]), docid: tokens.docid(allowed[c]) ?? null };
      return { ...name, logProbability: logProbabilities[c], chosen: c === own, kept };
    });
    const other = order.find((c) => c !== own);
    const rival = other === undefined ? undefined : allowed[other];

    const streams = parts.streams(pass);
    const state = streams.at(-1)!;
    const seen = await lab.lens(
      stack(streams),
      streams.map(() => expected),
      'token',
    );
    const [toOwn, toRival] = [
      this.direction(state, token),
      rival === undefined ? undefined : this.direction(state, rival),
    ];
    const { contributions, heads, neurons } = parts.shares(pass, { own: toOwn, rival: toRival }, top);
    const entries = await this.entries([...heads, ...neurons], top);
    const stages = this.stages?.find(({ step }) => step === t + 1);
    return {
      token: tokens.name(token),
      logProbability: logProbabilities[own],
      allowed: allowed.length,
      choices,
      rank: seen.rank.at(-1)!,
      docidRank: seen.allowed_rank.at(-1)!,
      logit: dot(state, toOwn),
      rival: rival === undefined ? null : { token: tokens.name(rival), logit: dot(state, toRival!) },
      beam: search.after(t),
      ranks: parts.writers.map(({ type, layer }, i) => ({
        type,
        layer,
        rank: seen.rank[i],
        docidRank: seen.allowed_rank[i],
      })),
      contributions: contributions.map(({ type, layer, ...effect }) => ({
        type,
        layer,
        stage: (stages && layer >= 0 && stageOf(stages, layer)) || null,
        ...effect,
      })),
      heads: heads.map(({ vector: _, ...head }, i) => ({ ...head, wrote: entries[i] })),
      neurons: neurons.map(({ vector: _, ...neuron }, i) => ({ ...neuron, promotes: entries[heads.length + i] })),
    };
  }

  /** The decoder over the document's path, as one pass for each step. */
  private async run(query: string, document: number): Promise<Pass[]> {
    const { lab, parts } = this;
    const { config, weight } = lab;
    const read = parts.activations;
    const session = await lab.session('explained', () => pathDecoderGraph(config, weight, { read }));
    const { batches } = await lab.encode([query]);
    const { mask, cross } = batches[0];
    const inputs = lab.inputsOf(document);
    const T = inputs.length;
    const ids = int64(inputs, [1, T]);
    const out = await session.run({ decoder_input_ids: ids, attention_mask: mask, ...cross, ...noPast(lab) });
    const tokens = lab.tokenizer.encode(query).map((id) => lab.tokenizer.token(id) ?? '');
    return inputs.map((_, t) => ({
      tokens,
      read: (at) => positionOf(out[at] as FloatTensor, at.endsWith('pattern') ? 2 : 1, t),
    }));
  }

  private session(): Promise<Session> {
    return this.lab.session('best tokens', () => bestTokensGraph(this.lab.config, this.lab.weight));
  }

  /** Log-probabilities of the tokens allowed at each step. */
  private async allowed(passes: readonly Pass[], expected: readonly Expected[]): Promise<Float32Array[]> {
    const session = await this.session();
    const all: Float32Array[] = [];
    for (const [t, { allowed }] of expected.entries()) {
      const states = stack([this.parts.streams(passes[t]).at(-1)!]);
      const tokens = int64(Array.from(allowed), [1, allowed.length]);
      const out = await session.run({ states, tokens, k: int64([1]) }, ['log_probabilities']);
      all.push(out.log_probabilities.data as Float32Array);
    }
    return all;
  }

  /** The best entries of the vocabulary for each vector, by the logit lens. */
  private async entries(all: readonly Written[], top: number): Promise<PathEntry[][]> {
    if (!all.length) return [];
    const session = await this.session();
    const states = stack(all.map(({ vector }) => vector));
    const k = Math.min(top, this.lab.config.vocab_size);
    const tokens = int64(new Array<number>(all.length).fill(0), [all.length, 1]);
    const { best } = await session.run({ states, tokens, k: int64([k]) }, ['best']);
    return all.map((_, i) => Array.from({ length: k }, (_, j) => this.tokens.entry(Number(best.data[i * k + j]))));
  }

  /** The direction [D] along which a token's logit grows at this state. */
  private direction(state: Float32Array, token: number): Float32Array {
    const D = this.lab.config.d_model;
    const row = this.unembedding.data.subarray(token * D, (token + 1) * D);
    return logitDirections(this.lab, stack([state]), tensor(row, [1, D])).data;
  }
}

/** One position t of an activation with an axis of positions, of the only query: float32 [1, …, T, …]. */
function positionOf({ data, shape }: FloatTensor, axis: number, t: number): Float32Array {
  const T = shape[axis];
  const width = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = data.length / T / width;
  const out = new Float32Array(outer * width);
  for (let i = 0; i < outer; i++) out.set(data.subarray((i * T + t) * width, (i * T + t + 1) * width), i * width);
  return out;
}

/** No keys and values of earlier positions: a path begins. */
function noPast({ layers, config: { num_heads: H, d_kv: K } }: PathLab): Feeds {
  const empty = tensor(new Float32Array(0), [1, H, 0, K]);
  const names = Array.from({ length: layers }, (_, i) => [cacheName('past', i, 'k'), cacheName('past', i, 'v')]);
  return Object.fromEntries(names.flat().map((name) => [name, empty]));
}

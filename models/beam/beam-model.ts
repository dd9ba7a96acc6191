import { wordWeights, type DecoderOptions } from '../decode.ts';
import type { ModelFolder } from '../folder.ts';
import type { WeightSource } from '../graphs.ts';
import { openWith } from '../int8.ts';
import { int64, Session, tensor, type Feeds, type FloatTensor, type Tensor } from '../session.ts';
import type { PaddedBatch } from '../tokenizer.ts';
import { beamStepGraph, cacheName, candidateLists, listNames, queryGraph, type CandidateList } from './graphs.ts';

/** Candidates of one list for a batch of queries. */
export interface Candidates {
  /** int32 [B, C] and float32 [B, C], as the step graph takes them */
  readonly candidates: Int32Array;
  readonly before: Float32Array;
  /** C */
  readonly width: number;
  /** How many of the best are wanted, at most C. */
  readonly k: number;
}

/** The best of a list: k for each query, best first. */
export interface Ranked {
  /** float32 [B, k] */
  readonly scores: Float32Array;
  /** int64 [B, k] */
  readonly places: BigInt64Array;
  readonly k: number;
}

export interface StepInput {
  /** float32 [B, M, D]: embeddings of the beams' last tokens */
  readonly x: Float32Array;
  readonly beams: number;
  /** int32 [B·M]: rows of the step before */
  readonly parents: Int32Array;
  readonly lists: { readonly [L in CandidateList]: Candidates };
}

export type StepOutput = { readonly [L in CandidateList]: Ranked };

/** A batch of queries under way: what their beams share, and what each has read. */
export interface BeamRun {
  step(input: StepInput): Promise<StepOutput>;
}

/** The two sessions of a sequence decoder. */
export class BeamModel {
  private readonly folder: ModelFolder;
  private readonly query: Session;
  private readonly next: Session;

  private constructor(folder: ModelFolder, query: Session, next: Session) {
    this.folder = folder;
    this.query = query;
    this.next = next;
  }

  /** @param edited  weights that every run is given a delta of */
  static async open(folder: ModelFolder, edited: readonly string[], options: DecoderOptions): Promise<BeamModel> {
    const words = folder.genir!.firstDocidToken;
    const query = await openWith(wordWeights(folder, words), options, (weights) =>
      Session.open(queryGraph({ ...folder.config, vocab_size: words }, weights, edited), options),
    );
    const whole: WeightSource = (name) => folder.tensor(name);
    const next = await openWith(whole, options, (weights) =>
      Session.open(beamStepGraph(folder.config, weights, words, edited), options),
    );
    return new BeamModel(folder, query, next);
  }

  /**
   * Reads the queries.
   *
   * @param rows    float32 [E, D]: the vocabulary behind the words
   * @param deltas  of the edited weights
   */
  async start({ inputIds, mask, length }: PaddedBatch, rows: FloatTensor, deltas: Feeds): Promise<BeamRun> {
    const { num_decoder_layers: L, num_heads: H, d_kv: K, d_model: D } = this.folder.config;
    const B = inputIds.length / length;
    const attention_mask = tensor(mask, [B, length]);
    const cross = await this.query.run({ input_ids: tensor(inputIds, [B, length]), attention_mask, ...deltas });
    const shared: Feeds = { ...cross, ...deltas, attention_mask, rows };
    const empty = tensor(new Float32Array(0), [B, H, 0, K]);
    let past = caches(L, () => empty);
    return {
      step: async ({ x, beams, parents, lists }) => {
        const feeds: Record<string, Tensor> = { ...shared, ...past, x: tensor(x, [B, beams, D]) };
        feeds.parents = tensor(parents, [B * beams]);
        for (const list of candidateLists) {
          const [names, { candidates, before, width, k }] = [listNames(list), lists[list]];
          feeds[names.candidates] = tensor(candidates, [B, width]);
          feeds[names.before] = tensor(before, [B, width]);
          feeds[names.k] = int64([k]);
        }
        const out = await this.next.run(feeds);
        past = caches(L, (layer, part) => out[cacheName('present', layer, part)]);
        const ranked = (list: CandidateList): Ranked => ({
          scores: out[listNames(list).scores].data as Float32Array,
          places: out[listNames(list).places].data as BigInt64Array,
          k: lists[list].k,
        });
        return { inner: ranked('inner'), alike: ranked('alike'), leaves: ranked('leaves') };
      },
    };
  }

  get weightBytes(): number {
    return this.query.constantBytes + this.next.constantBytes;
  }

  async release(): Promise<void> {
    await this.query.release();
    await this.next.release();
  }
}

/** The `past` inputs of all layers. */
function caches(layers: number, of: (layer: number, part: 'k' | 'v') => Tensor): Feeds {
  const feeds: Record<string, Tensor> = {};
  for (let i = 0; i < layers; i++)
    for (const part of ['k', 'v'] as const) feeds[cacheName('past', i, part)] = of(i, part);
  return feeds;
}

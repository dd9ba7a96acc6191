import type { ModelFolder } from '../models/folder.ts';
import { wordWeights } from '../models/decode.ts';
import { pooledEncoderGraph } from '../models/graphs.ts';
import { Session, tensor, type SessionOptions } from '../models/session.ts';
import { loadTokenizer, padBatch, type Tokenizer } from '../models/tokenizer.ts';

/** Texts are cut here: passages of a corpus are shorter, and a run's memory grows with the square of it. */
const maxTokens = 256;
const textsAtATime = 32;

/** Texts to vectors: the mean of the encoder's states over a text's tokens. */
export class PooledEncoder {
  /** D, the length of a vector. */
  readonly dimensions: number;
  readonly #session: Session;
  readonly #tokenizer: Tokenizer;

  private constructor(session: Session, tokenizer: Tokenizer, dimensions: number) {
    this.#session = session;
    this.#tokenizer = tokenizer;
    this.dimensions = dimensions;
  }

  static async open(folder: ModelFolder, options: SessionOptions = {}): Promise<PooledEncoder> {
    const words = folder.genir?.firstDocidToken ?? folder.config.vocab_size;
    const graph = pooledEncoderGraph({ ...folder.config, vocab_size: words }, wordWeights(folder, words));
    const session = await Session.open(graph, options);
    return new PooledEncoder(session, loadTokenizer(folder, maxTokens), folder.config.d_model);
  }

  /**
   * @param onProgress  called with the number of texts done
   * @returns float32 [texts, D], row-major
   */
  async encode(texts: readonly string[], onProgress?: (done: number) => void): Promise<Float32Array> {
    const d = this.dimensions;
    const vectors = new Float32Array(texts.length * d);
    const encoded = texts.map((text) => this.#tokenizer.encode(text));
    // Texts of about one length share a batch, so that little of it is padding.
    const order = encoded.map((_, i) => i).sort((a, b) => encoded[a].length - encoded[b].length);
    for (let from = 0; from < order.length; from += textsAtATime) {
      const batch = order.slice(from, from + textsAtATime);
      const { inputIds, mask, length } = padBatch(
        batch.map((i) => encoded[i]),
        this.#tokenizer.padId,
      );
      const shape = [batch.length, length];
      const out = await this.#session.run({ input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) });
      const pooled = out.pooled.data as Float32Array;
      batch.forEach((i, b) => vectors.set(pooled.subarray(b * d, (b + 1) * d), i * d));
      onProgress?.(from + batch.length);
    }
    return vectors;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}

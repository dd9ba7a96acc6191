import { joinBatches } from '../analysis/join-batches.ts';
import { Lab, type Batch } from '../analysis/lab.ts';
import { storedStages, type Stage } from '../analysis/stages.ts';
import type { ActivationName } from '../models/activations.ts';
import { wordWeights, type WeightDelta } from '../models/decode.ts';
import { deltaInput, docidDecoderGraph } from '../models/graphs.ts';
import type { ModelFolder } from '../models/folder.ts';
import { isImported } from '../models/genir.ts';
import { int64, tensor, type Feeds, type FloatTensor } from '../models/session.ts';
import { padBatch } from '../models/tokenizer.ts';
import { giveWay } from './right-of-way.ts';
import { noPrefix, type Activations, type Prefix, type Reading } from './reading.ts';

/** Queries that run through the encoder together: of like length, so that little is padded. */
const ENCODED = 8;

/** Queries that run through the decoder together, which reads its weights once for all of them; there padding costs nothing. */
const DECODED = 64;

/** Docids of one token each: nothing is read before it, and document n has row n. */
export class AtomicReading implements Reading {
  readonly lab: Lab;
  readonly interaction: Stage | null | undefined;
  readonly rows: FloatTensor;
  readonly rowOf: Int32Array;
  readonly hasTextRows: boolean;

  /** @throws NotAnIndexError, NotAtomicError */
  constructor(folder: ModelFolder, threads: number) {
    this.lab = new Lab(folder, { threads, batchSize: ENCODED });
    this.interaction = storedStages(folder.dir, this.lab.genir, this.lab.layers)?.interaction;
    this.hasTextRows = !isImported(this.lab.genir); // training elsewhere knows nothing of them
    this.rows = this.lab.rows;
    this.rowOf = Int32Array.from({ length: this.rows.shape[0] }, (_, row) => row);
  }

  prefixOf(): Prefix {
    return noPrefix;
  }

  async decode(
    texts: readonly string[],
    _prefixes: readonly Prefix[],
    read: readonly ActivationName[],
  ): Promise<{ readonly last: Activations; readonly before: Activations }> {
    const last: Record<string, FloatTensor> = {};
    const order = Int32Array.from(texts.keys()).sort((a, b) => texts[a].length - texts[b].length || a - b);
    for (let from = 0; from < order.length; from += DECODED) {
      const queries = order.subarray(from, from + DECODED);
      const batches: Batch[] = [];
      giveWay();
      for await (const batch of this.lab.encodeBatches(Array.from(queries, (q) => texts[q]))) {
        batches.push(batch);
        giveWay();
      }
      const part = await this.lab.decode({ count: queries.length, batches: [joinBatches(batches)] }, { read });
      for (const name of read) {
        const { data, shape } = part[name];
        const width = shape[1];
        const all = (last[name] ??= tensor(new Float32Array(texts.length * width), [texts.length, width]));
        queries.forEach((q, i) => all.data.set(data.subarray(i * width, (i + 1) * width), q * width));
      }
    }
    const before = read.map((name) => [name, tensor(new Float32Array(0), [0, last[name].shape[1]])]);
    return { last: last, before: Object.fromEntries(before) as Activations };
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}

/** The states of a served decoder with these deltas, float32 [Q, D]. */
export async function rerun(lab: Lab, texts: readonly string[], deltas: readonly WeightDelta[]): Promise<FloatTensor> {
  const words = lab.genir.firstDocidToken;
  const config = { ...lab.config, vocab_size: words };
  const { d_model: D, d_ff: F } = config;
  const edited = deltas.map(({ weight }) => weight).sort();
  const session = await lab.session(JSON.stringify(['edit decoder', edited]), () =>
    docidDecoderGraph(config, wordWeights(lab.folder, words), edited),
  );
  const fixed: Feeds = {
    rows: tensor(new Float32Array(D), [1, D]),
    bias: tensor(new Float32Array(1), [1, 1]),
    k: int64([1]),
    ...Object.fromEntries(deltas.map(({ weight, delta }) => [deltaInput(weight), tensor(delta, [F, D])])),
  };
  const states = new Float32Array(texts.length * D);
  for (let from = 0; from < texts.length; from += DECODED) {
    const tokens = texts.slice(from, from + DECODED).map((text) => lab.tokenizer.encode(text));
    const { inputIds, mask, length } = padBatch(tokens);
    const shape = [tokens.length, length];
    const feeds = { ...fixed, input_ids: tensor(inputIds, shape), attention_mask: tensor(mask, shape) };
    const { state } = await session.run(feeds, ['state']);
    states.set(state.data as Float32Array, from * D);
  }
  return tensor(states, [texts.length, D]);
}

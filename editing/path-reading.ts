import { PathLab } from '../analysis/path-lab.ts';
import { storedStepStages, type Stage } from '../analysis/stages.ts';
import type { ActivationName } from '../models/activations.ts';
import { SequenceDecoder } from '../models/beam/sequence-decoder.ts';
import type { ModelVersion } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { unembedName } from '../models/t5.ts';
import { PrefixSearch } from './prefix-search.ts';
import { noPrefix, type Activations, type Prefix, type Reading } from './reading.ts';

/** Queries that a decoder answers together. */
const BATCH = 32;

/**
 * Docids that are paths. All that an edit changes follows the last token's step: nothing is read after it. So beneath a
 * prefix, paths are atomic docids, in competition with the whole vocabulary.
 */
export class PathReading implements Reading {
  readonly lab: PathLab;
  readonly interaction: Stage | null | undefined;
  readonly rows: FloatTensor;
  readonly rowOf: Int32Array;
  readonly hasTextRows = false;
  private readonly threads: number;
  private decoder: Promise<SequenceDecoder> | undefined;
  private prefixes: Promise<PrefixSearch | undefined> | undefined;

  /** @throws NotAnIndexError, NotPathsError, StagesError */
  constructor(folder: ModelFolder, threads: number) {
    this.lab = new PathLab(folder, { threads });
    this.threads = threads;
    const { genir, layers, config } = this.lab;
    this.interaction = storedStepStages(folder.dir, genir, layers)?.at(-1)?.interaction;
    this.rows = tensor(folder.tensor(unembedName(config)).data, [config.vocab_size, config.d_model]);
    this.rowOf = Int32Array.from(genir.docids, (_, document) => this.lab.pathOf(document).at(-1)!);
  }

  prefixOf(document: number): Prefix {
    return this.lab.pathOf(document).slice(0, -1);
  }

  async decode(
    texts: readonly string[],
    prefixes: readonly Prefix[],
    read: readonly ActivationName[],
  ): Promise<{ readonly last: Activations; readonly before: Activations }> {
    const start = this.lab.config.decoder_start_token_id;
    const tokens = prefixes.map((prefix) => [start, ...prefix]);
    const out = await this.lab.decode(await this.lab.encode(texts), tokens, { read });
    const last: Record<string, FloatTensor> = {};
    const before: Record<string, FloatTensor> = {};
    const positions = prefixes.reduce((sum, { length }) => sum + length, 0);
    for (const name of read) {
      const { data, shape } = out[name];
      const T = shape[1];
      const width = data.length / (shape[0] * T);
      const [ends, others] = [new Float32Array(texts.length * width), new Float32Array(positions * width)];
      let at = 0;
      prefixes.forEach(({ length }, q) => {
        const [first, end] = [q * T * width, (q * T + length) * width];
        others.set(data.subarray(first, end), at);
        ends.set(data.subarray(end, end + width), q * width);
        at += end - first;
      });
      last[name] = tensor(ends, [texts.length, width]);
      before[name] = tensor(others, [positions, width]);
    }
    return { last, before };
  }

  async place(texts: readonly string[]): Promise<Prefix> {
    const search = await (this.prefixes ??= PrefixSearch.open(this.lab, this.threads));
    return search ? search.best(texts) : noPrefix;
  }

  readonly search = async (version: ModelVersion, texts: readonly string[]): Promise<Int32Array> => {
    const decoder = await (this.decoder ??= SequenceDecoder.open(this.lab.folder, { threads: this.threads }));
    await decoder.publish(version);
    const best = new Int32Array(texts.length).fill(-1);
    // One batch of padded queries a time: of like length, as sorting has it.
    const order = Int32Array.from(texts.keys()).sort((a, b) => texts[a].length - texts[b].length || a - b);
    for (let from = 0; from < order.length; from += BATCH) {
      const some = order.subarray(from, from + BATCH);
      const found = await decoder.retrieve(Array.from(some, (q) => ({ query: texts[q], k: 1 })));
      found.forEach(({ rows }, i) => (best[some[i]] = rows.length ? rows[0] : -1));
    }
    return best;
  };

  async close(): Promise<void> {
    await this.lab.close();
    await (await this.decoder)?.close();
    await (await this.prefixes)?.close();
  }
}

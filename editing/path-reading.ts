import { PathLab } from '../analysis/path-lab.ts';
import { storedStepStages, type Stage } from '../analysis/stages.ts';
import type { ActivationName } from '../models/activations.ts';
import { SequenceDecoder } from '../models/beam/sequence-decoder.ts';
import type { ModelVersion, Retrieved } from '../models/decode.ts';
import type { ModelFolder } from '../models/folder.ts';
import { tensor, type FloatTensor } from '../models/session.ts';
import { unembedName } from '../models/t5.ts';
import { layoutOf } from '../models/training/paths/layout.ts';
import { batchesOf, PrefixSearch } from './prefix-search.ts';
import type { Activations, PathSearch, Prefix, PrefixLogs, Reading } from './reading.ts';

/**
 * Docids that are paths. All that an edit changes follows the last token's step: nothing is read after it. So beneath a
 * prefix, paths are atomic docids, in competition with the whole vocabulary.
 */
export class PathReading implements Reading {
  readonly lab: PathLab;
  readonly interaction: Stage | null | undefined;
  readonly rows: FloatTensor;
  readonly rowOf: Int32Array;
  readonly hasTextRows: boolean;
  private readonly threads: number;
  private decoder: Promise<SequenceDecoder> | undefined;
  private prefixSearch: Promise<PrefixSearch | undefined> | undefined;
  /** The last of the searches, which come one after the other: the decoder has one version at a time. */
  private searching: Promise<unknown> = Promise.resolve();
  readonly paths: PathSearch = {
    prefixes: (texts) => this.findPrefixes(texts),
    documents: (version, texts, k) => this.findDocuments(version, texts, k),
  };

  /** @throws NotAnIndexError, NotPathsError, StagesError */
  constructor(folder: ModelFolder, threads: number) {
    this.lab = new PathLab(folder, { threads });
    this.threads = threads;
    const { genir, layers, config } = this.lab;
    this.hasTextRows = genir.later !== undefined && layoutOf(genir) !== undefined;
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

  private async findPrefixes(texts: readonly string[]): Promise<PrefixLogs[]> {
    const search = await (this.prefixSearch ??= PrefixSearch.open(this.lab, this.threads));
    return search ? search.find(texts) : texts.map(() => new Map([['', 0]]));
  }

  private findDocuments(version: ModelVersion, texts: readonly string[], k: number): Promise<Retrieved[]> {
    const found = this.searching.then(() => this.search(version, texts, k));
    this.searching = found.catch(() => undefined);
    return found;
  }

  private async search(version: ModelVersion, texts: readonly string[], k: number): Promise<Retrieved[]> {
    const decoder = await (this.decoder ??= SequenceDecoder.open(this.lab.folder, { threads: this.threads }));
    await decoder.publish(version);
    const found: Retrieved[] = [];
    for (const some of batchesOf(texts)) {
      const lists = await decoder.retrieve(Array.from(some, (q) => ({ query: texts[q], k })));
      lists.forEach((list, i) => (found[some[i]] = list));
    }
    return found;
  }

  async close(): Promise<void> {
    await this.lab.close();
    await (await this.decoder)?.close();
    await (await this.prefixSearch)?.close();
  }
}

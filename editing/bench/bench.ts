/** @file The edit benchmark: edits drawn by seeds, made by several methods, measured beside a true retrain. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { baseVersion } from '../../models/decode.ts';
import { openDecoder, type Decoder } from '../../models/open-decoder.ts';
import type { ModelFolder } from '../../models/folder.ts';
import { EditModel } from '../edit-model.ts';
import { settingsFor, withOldWeight, type EditMethodPreset, type EditSettings } from '../presets.ts';
import { drawBank, QueryBank } from '../query-bank.ts';
import { runEdits, type EditMode, type OpenedBase } from './edited-run.ts';
import { measure, type Measured } from './measure.ts';
import { drawPlan, type BenchCorpus, type BenchCounts, type BenchPlan } from './plan.ts';
import { meanTable, summarize, tableOf, type MethodResult, type SeedRun, type Table } from './result.ts';
import { measureRetrained, retrain } from './retrain.ts';

export interface BenchProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

export interface BenchOptions {
  readonly folder: ModelFolder;
  readonly modelName: string;
  readonly corpusName: string;
  readonly corpus: BenchCorpus;
  readonly counts: BenchCounts;
  readonly seeds: readonly number[];
  /** The first is the one that is reported, the others stand beside it. */
  readonly methods: readonly EditMethodPreset[];
  readonly mode: EditMode;
  /** Documents come without queries. */
  readonly textOnly: boolean;
  /** Whether to measure on the way. */
  readonly isCurve: boolean;
  /** Multiples of a method's weight of old queries to measure with. */
  readonly tradeOff: readonly number[];
  readonly retrain: 'none' | 'run' | { readonly dir: string };
  /** Where retrained models are kept; none are where left out. */
  readonly out?: string | undefined;
  readonly threads: number;
  readonly onProgress: (progress: BenchProgress) => void;
}

export interface TradeOffPoint {
  readonly method: EditMethodPreset;
  /** Multiple of the method's own weight of old queries. */
  readonly weight: number;
  readonly drift: number;
  readonly after: Table;
}

export interface BenchResult {
  readonly model: string;
  readonly corpus: string;
  readonly date: string;
  /** Before the edits. */
  readonly documents: number;
  readonly counts: BenchCounts;
  readonly mode: EditMode;
  readonly textOnly: boolean;
  readonly threads: number;
  readonly seeds: readonly number[];
  readonly retrained: 'none' | 'run' | 'folder';
  readonly methods: readonly MethodResult[];
  readonly tradeOff: readonly TradeOffPoint[];
}

/** @throws TooFewDocumentsError, RetrainError, NoInteractionStageError */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const { folder, corpus, counts, seeds, methods, mode, textOnly, threads } = options;
  const plans = seeds.map((seed) => drawPlan(corpus, counts, { seed, textOnly }));
  const bases = new Bases(options);
  try {
    const decoder = await bases.decoder();
    const before: Measured[] = [];
    for (const plan of plans) before.push(await measureBase(decoder, folder, plan));
    const retrained: (Measured | null)[] = [];
    for (const plan of plans) retrained.push(await measureRetrain(options, plan));
    const results: MethodResult[] = [];
    const tradeOff: TradeOffPoint[] = [];
    for (const method of methods) {
      const settings = settingsFor(method, corpus.base.length, folder.genir);
      const run = (plan: BenchPlan, what: string, changed: EditSettings, points: readonly number[], as: EditMode) => {
        const total = plan.edits.length;
        const onEdit = (done: number): void =>
          options.onProgress({ what: `${method}, seed ${plan.seed}${what}`, done, total });
        return bases
          .open(changed)
          .then((base) => runEdits(base, plan, { settings: changed, mode: as, points, onEdit }));
      };
      const runs: SeedRun[] = [];
      for (const [i, plan] of plans.entries()) {
        const { edits, seed } = plan;
        const made = await run(plan, '', settings, pointsUpTo(edits.length, options.isCurve), mode);
        const kinds = edits.map(({ kind }) => kind);
        runs.push({ seed, before: before[i], retrain: retrained[i], kinds, ...made });
      }
      results.push(summarize(method, runs));
      for (const weight of options.tradeOff) {
        const tables: Table[] = [];
        let drift = 0;
        for (const plan of plans) {
          const what = `, old queries × ${weight}`;
          const made = await run(plan, what, withOldWeight(settings, weight), [plan.edits.length], 'batch');
          tables.push(tableOf(made.after));
          drift += made.drift / plans.length;
        }
        tradeOff.push({ method, weight, drift, after: meanTable(tables) });
      }
    }
    return {
      ...{ model: options.modelName, corpus: options.corpusName, date: new Date().toISOString() },
      ...{ documents: corpus.base.length, counts, mode, textOnly, threads, seeds },
      retrained: typeof options.retrain === 'string' ? options.retrain : 'folder',
      ...{ methods: results, tradeOff },
    };
  } finally {
    await bases.close();
  }
}

/** 10, 20, 50, 100, … and all. */
function pointsUpTo(edits: number, isCurve: boolean): number[] {
  const points: number[] = [];
  for (let ten = 10; isCurve && ten < edits; ten *= 10)
    points.push(...[ten, 2 * ten, 5 * ten].filter((n) => n < edits));
  return [...points, edits];
}

async function measureBase(decoder: Decoder, folder: ModelFolder, plan: BenchPlan): Promise<Measured> {
  const { docids } = folder.genir!;
  await decoder.publish(baseVersion(docids.length));
  // New and changed questions have no right answer yet.
  const { old, obsolete, deleted } = plan.questions;
  const questions = { old, new: [], changed: [], obsolete, deleted };
  return measure({ model: decoder, docids }, { ...plan, questions });
}

async function measureRetrain(options: BenchOptions, plan: BenchPlan): Promise<Measured | null> {
  const { corpus, threads, folder, out, onProgress } = options;
  if (options.retrain === 'none') return null;
  if (options.retrain !== 'run') return measureRetrained(options.retrain.dir, corpus, plan, threads);
  const temporary = out === undefined ? mkdtempSync(join(tmpdir(), 'palimpsest-retrain-')) : undefined;
  const dir = join(temporary ?? out!, `retrained-seed-${plan.seed}`);
  try {
    await retrain({
      ...{ base: folder, corpus, plan, out: dir, threads },
      onProgress: ({ phase, step, steps }) =>
        onProgress({ what: `retraining for seed ${plan.seed}, ${phase}`, done: step, total: steps }),
    });
    return await measureRetrained(dir, corpus, plan, threads);
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

/** The base opened for edits, once for all methods that read the same queries. */
class Bases {
  private readonly options: BenchOptions;
  private readonly opened = new Map<string, Promise<{ model: EditModel; bank: QueryBank }>>();
  private served: Promise<Decoder> | undefined;

  constructor(options: BenchOptions) {
    this.options = options;
  }

  decoder(): Promise<Decoder> {
    const { folder, threads } = this.options;
    return (this.served ??= openDecoder(folder, { threads }));
  }

  async open(settings: EditSettings): Promise<OpenedBase> {
    const key = JSON.stringify(settings.bank);
    let base = this.opened.get(key);
    if (!base) this.opened.set(key, (base = this.openBase(settings)));
    return { ...(await base), decoder: await this.decoder() };
  }

  private async openBase(settings: EditSettings): Promise<{ model: EditModel; bank: QueryBank }> {
    const { folder, corpus, threads, onProgress } = this.options;
    const model = await EditModel.open(folder, { threads });
    const queries = drawBank(corpus.base, corpus.train, corpus.dev, settings.bank);
    const onDone = (done: number, total: number): void => onProgress({ what: 'stored queries', done, total });
    const bank = await QueryBank.open(model, queries, corpus.base, { onProgress: onDone });
    return { model, bank };
  }

  async close(): Promise<void> {
    for (const base of this.opened.values()) await (await base).model.close();
    await (await this.served)?.close();
  }
}

/**
 * @file What all training runs share: a learning curve, checkpoints to go on from, and the model folder at the end.
 */
import type { T5Config } from '../config.ts';
import { ModelFolderWriteError, writeModelFolder, type Genir } from '../folder.ts';
import type { TrainedTokenizer } from '../tokenizer-training.ts';
import { fitsFloat16, type WeightTensor } from '../weights.ts';
import type { Parameter } from './adam.ts';
import {
  checkNoCheckpoint,
  readCheckpoint,
  remedyOf,
  removeCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CurvePoint,
  type RunIdentity,
} from './checkpoint.ts';
import type { Measured } from './held-out.ts';
import { checkOutput, OutputError } from './output.ts';

export interface IndexProgress {
  readonly phase: 'tokenizer' | 'words' | 'model' | 'writing';
  readonly step: number;
  readonly steps: number;
  /** Mean loss since the last measurement of `success`. */
  readonly loss?: number;
  /** Success@1 on held-out queries, newest measurement. */
  readonly success?: number | undefined;
  /** The same over the whole vocabulary, docids and words. */
  readonly freeSuccess?: number | undefined;
}

export interface IndexResult {
  readonly out: string;
  /** Number of those trained on. */
  readonly documents: number;
  readonly parameters: number;
  readonly seconds: number;
  readonly curve: readonly CurvePoint[];
}

export interface RunOptions {
  /** The model folder to write. */
  readonly out: string;
  readonly resume: boolean;
  readonly checkpointEveryMs: number;
  readonly onProgress: (progress: IndexProgress) => void;
}

/** One step of a phase that was done. */
export interface StepDone {
  readonly phase: CurvePoint['phase'];
  readonly step: number;
  /** Of the phase. */
  readonly steps: number;
  readonly loss: number;
  readonly measure: () => Promise<Measured | undefined>;
  readonly parameters: () => Map<string, Parameter>;
}

/** A model as it is written. */
export interface TrainedModel extends TrainedTokenizer {
  readonly config: T5Config;
  readonly weights: ReadonlyMap<string, WeightTensor>;
  readonly genir: Genir;
}

/** A loss that is no number: nothing trained from here would be one. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  constructor(phase: string, step: number, loss: number) {
    super(`training, phase ${phase}, step ${step}: expected a finite loss, got ${loss}; try another size or seed`);
  }
}

/** Measurements in a phase. */
const POINTS = 12;

/** Where the checkpoints of a run that writes its model to `out` lie. */
export const checkpointDirOf = (out: string): string => `${out}.checkpoint`;

/** Finds out before any work what would keep the run from ending well. @throws OutputError, CheckpointError */
export function checkStart({ out, resume }: Pick<RunOptions, 'out' | 'resume'>): void {
  checkOutput(out);
  if (!resume) checkNoCheckpoint(checkpointDirOf(out));
}

export class TrainingRun {
  readonly curve: CurvePoint[];
  /** What the run goes on from. */
  readonly resumed: Checkpoint | undefined;
  private readonly options: RunOptions;
  private readonly identity: RunIdentity;
  private readonly dir: string;
  private readonly started: number;
  private saved = Date.now();
  private losses: number[] = [];

  /**
   * @param startedMs  when the work began, by `Date.now()`
   * @throws CheckpointError
   */
  constructor(options: RunOptions, identity: RunIdentity, startedMs: number) {
    this.options = options;
    this.identity = identity;
    this.started = startedMs;
    this.dir = checkpointDirOf(options.out);
    this.resumed = options.resume ? readCheckpoint(this.dir, identity) : undefined;
    this.curve = [...(this.resumed?.curve ?? [])];
  }

  /** Seconds of training, those before a resumed run included. */
  get seconds(): number {
    return (this.resumed?.seconds ?? 0) + (Date.now() - this.started) / 1000;
  }

  /** Reports, measures and saves after a step, each when it is due. @throws DivergedError, CheckpointError */
  async after({ phase, step, steps, loss, measure, parameters }: StepDone): Promise<void> {
    if (!Number.isFinite(loss)) throw new DivergedError(phase, step, loss);
    this.losses.push(loss);
    const mean = this.losses.reduce((a, b) => a + b, 0) / this.losses.length;
    if (step % Math.max(1, Math.round(steps / POINTS)) === 0 || step === steps) {
      const measured = await measure();
      if (measured) this.curve.push({ phase, step, seconds: Math.round(this.seconds), loss: mean, ...measured });
      this.losses = [];
    }
    const { success, freeSuccess } = this.curve.at(-1) ?? {};
    this.options.onProgress({ phase, step, steps, loss: mean, success, freeSuccess });
    if (Date.now() - this.saved < this.options.checkpointEveryMs && step !== steps) return;
    const { seconds, curve } = this;
    writeCheckpoint(this.dir, this.identity, { phase, step, seconds, curve, parameters: parameters() });
    this.saved = Date.now();
  }

  /** Writes the model and lets go of the checkpoint. @throws OutputError, and the checkpoint stays */
  finish({ weights, ...model }: TrainedModel): IndexResult {
    const all = [...weights.values()];
    const dtype = all.every(({ data }) => fitsFloat16(data)) ? 'F16' : 'F32';
    const { out } = this.options;
    try {
      writeModelFolder(out, { ...model, weights, dtype });
    } catch (cause) {
      if (!(cause instanceof ModelFolderWriteError)) throw cause;
      const advice = `the training is kept: ${remedyOf(cause)}run again with --resume`;
      throw new OutputError(`${cause.message}; ${advice}`, { cause });
    }
    removeCheckpoint(this.dir);
    const parameters = all.reduce((sum, { data }) => sum + data.length, 0);
    const { documents } = model.genir.corpus;
    return { out, documents, parameters, seconds: this.seconds, curve: this.curve };
  }
}

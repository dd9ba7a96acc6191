/**
 * @file The stages of a decoder as the analysis found them, and how they are kept in `genir.json` for editing.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ModelFolderError, parseGenir, type Genir } from '../models/folder.ts';
import type { Finding } from '../models/model-version.ts';
import { writeAtomically } from '../models/weights.ts';
import { rankings } from './population.ts';

export const stageNames = ['priming', 'bridging', 'interaction'] as const;
export type StageName = (typeof stageNames)[number];

const layer = z.int().nonnegative();

/** A run of layers, [from, to). */
const stageSchema = z.object({
  from: layer,
  to: layer,
  /** Where the boundaries lie in 95 % of the resampled sets of queries: [least, greatest]. */
  fromInterval: z.tuple([layer, layer]),
  toInterval: z.tuple([layer, layer]),
  /** Share of the resampled sets of queries in which the stage exists. */
  confidence: z.number().min(0).max(1),
});
export type Stage = z.infer<typeof stageSchema>;

const mlpSchema = z.object({
  layer,
  /** Share of correct queries that leave rank 1 when this MLP alone is replaced by its mean. */
  loss: z.number(),
  /** Mean fall of the document's logit above the best other entry under the same patch, with its 95 % interval. */
  marginLoss: z.number(),
  low: z.number(),
  high: z.number(),
  /** Share of correct queries kept where of all MLPs of the decoder only this one is not replaced by its mean. */
  keptAlone: z.number(),
});
export type MlpEffect = z.infer<typeof mlpSchema>;

export const stagesSchema = z.object({
  version: z.literal(1),
  /** Decoder layers of the model: `to` of the last stage at most. */
  layers: z.int().positive(),
  ranking: z.enum(rankings as ['vocabulary', 'docids']),
  /** Correct queries that the evidence was taken from. */
  queries: z.int().positive(),
  /** null: there is no such stage in this model. */
  priming: stageSchema.nullable(),
  bridging: stageSchema.nullable(),
  interaction: stageSchema.nullable(),
  /** MLPs of the interaction stage, of the whole decoder where there is none; the most effective first. */
  mlps: z.array(mlpSchema),
});
export type Stages = z.infer<typeof stagesSchema>;

/** The stages of one decoding step, counted from 1, of docids that are paths. */
const stepStagesSchema = stagesSchema.extend({ step: z.int().positive() });
export type StepStages = z.infer<typeof stepStagesSchema>;

/** `genir.json` holds stages that do not fit the model, or none where they are needed. */
export class StagesError extends Error {
  override readonly name = 'StagesError';
  readonly dir: string;
  constructor(dir: string, expected: string, actual: string) {
    super(`${dir}: genir.json: stages: expected ${expected}, got ${actual}; run "analyze --model ${dir}"`);
    this.dir = dir;
  }
}

/** The stages stored with a model; undefined where it was never analysed. @throws StagesError */
export function storedStages(dir: string, genir: Genir, layers: number): Stages | undefined {
  return genir.stages === undefined ? undefined : checked(dir, stagesSchema, genir.stages, layers);
}

/** The stages of each decoding step stored with a model of paths; undefined where it was never analysed. @throws StagesError */
export function storedStepStages(dir: string, genir: Genir, layers: number): StepStages[] | undefined {
  if (genir.stepStages === undefined) return undefined;
  const list = z.array(z.unknown()).safeParse(genir.stepStages).data;
  if (!list) throw new StagesError(dir, 'a list in stepStages', typeof genir.stepStages);
  return list.map((one) => checked(dir, stepStagesSchema, one, layers));
}

/** A record of stages that fits the model. */
function checked<S extends Stages>(dir: string, schema: z.ZodType<S>, json: unknown, layers: number): S {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new StagesError(
      dir,
      'a valid record',
      `one whose ${issue.path.join('.') || 'value'} is not: ${issue.message}`,
    );
  }
  const { data } = parsed;
  if (data.layers !== layers) throw new StagesError(dir, `those of ${layers} decoder layers`, `${data.layers} layers`);
  for (const name of stageNames) {
    const stage = data[name];
    if (stage && (stage.to > layers || stage.from >= stage.to))
      throw new StagesError(dir, `${name} within layers 0 to ${layers}`, `[${stage.from}, ${stage.to})`);
  }
  const outside = data.mlps.find((mlp) => mlp.layer >= layers);
  if (outside) throw new StagesError(dir, `MLPs within layers 0 to ${layers}`, `that of layer ${outside.layer}`);
  return data;
}

/** What was found could not be put into `genir.json`, which is as it was. */
export class GenirWriteError extends Error {
  override readonly name = 'GenirWriteError';
  readonly file: string;
  constructor(file: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${file}: expected to store what was found, got ${reason}; make the folder writable or analyse a copy`, {
      cause,
    });
    this.file = file;
  }
}

/** Puts the stages into the model's `genir.json`. @throws ModelFolderError, GenirWriteError */
export const storeStages = (dir: string, stages: Stages): void => storeInGenir(dir, { stages });

/** Puts the stages of each decoding step into it. @throws ModelFolderError, GenirWriteError */
export const storeStepStages = (dir: string, stepStages: readonly StepStages[]): void =>
  storeInGenir(dir, { stepStages });

/**
 * Puts what was found into the model's `genir.json`, all or none. Every other field and the file's indentation stay; no
 * other file is touched. The model's version does not change.
 *
 * @throws ModelFolderError  for a `genir.json` that is not ours
 * @throws GenirWriteError
 */
export function storeInGenir(dir: string, fields: Readonly<Partial<Record<Finding, unknown>>>): void {
  const file = join(dir, 'genir.json');
  try {
    const text = readFileSync(file, 'utf8');
    const genir = JSON.parse(text) as object;
    parseGenir(genir, file);
    const indent = /^[\[{]\r?\n([ \t]+)/.exec(text)?.[1];
    const changed = JSON.stringify({ ...genir, ...fields }, null, indent) + (/\r?\n$/.exec(text)?.[0] ?? '');
    writeAtomically(file, (write) => write(Buffer.from(changed)));
  } catch (cause) {
    if (cause instanceof ModelFolderError) throw cause;
    throw new GenirWriteError(file, cause);
  }
}

/** The stage that a layer belongs to; undefined for a layer of none. */
export const stageOf = (stages: Stages, layer: number): StageName | undefined =>
  stageNames.find((name) => {
    const stage = stages[name];
    return stage !== null && layer >= stage.from && layer < stage.to;
  });

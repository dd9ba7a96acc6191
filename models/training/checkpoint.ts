import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors, type WeightTensor } from '../weights.ts';
import type { Parameter } from './adam.ts';

/** What a run must have been started with for its checkpoint to be continued. */
export type RunIdentity = Readonly<Record<string, string | number | boolean | null>>;

export interface Checkpoint {
  readonly phase: 'words' | 'model';
  /** Steps done in the phase. */
  readonly step: number;
  /** Seconds of training so far. */
  readonly seconds: number;
  readonly curve: readonly CurvePoint[];
  readonly parameters: ReadonlyMap<string, Parameter>;
}

/** One line of the learning curve. */
export interface CurvePoint {
  readonly phase: 'words' | 'model';
  readonly step: number;
  readonly seconds: number;
  readonly loss: number;
  /** Success@1 on held-out queries, among docids. */
  readonly success: number;
  /** The same over the whole vocabulary, docids and words, in the phase `model`. */
  readonly freeSuccess?: number;
}

export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

const FILE = 'checkpoint.safetensors';
/** As `writeAtomically` names them. */
const TEMPORARY = /^checkpoint\.safetensors\.tmp-\d+$/;

export const hasCheckpoint = (dir: string): boolean => existsSync(join(dir, FILE));

/**
 * Writes the whole training state into `dir`, as one file put in place by renaming: a kill or a full disk leaves the
 * checkpoint before it.
 */
export function writeCheckpoint(dir: string, identity: RunIdentity, checkpoint: Checkpoint): void {
  const { parameters, ...rest } = checkpoint;
  const tensors = new Map<string, WeightTensor>();
  for (const [name, p] of parameters)
    for (const part of ['data', 'm', 'v'] as const)
      tensors.set(`${name}#${part}`, { shape: [p.data.length], data: p[part] });
  const file = join(dir, FILE);
  try {
    mkdirSync(dir, { recursive: true });
    writeSafetensors(file, tensors, {
      dtype: 'F32',
      metadata: { identity: JSON.stringify(identity), state: JSON.stringify(rest) },
    });
  } catch (cause) {
    const advice = `${remedyOf(cause)}run again with --resume, which goes on from the checkpoint before it, if any`;
    throw new CheckpointError(`${file}: expected to write a checkpoint, got ${reason(cause)}; ${advice}`, { cause });
  }
}

/** @throws CheckpointError  when it is damaged, or belongs to a run with other settings; the message names them */
export function readCheckpoint(dir: string, identity: RunIdentity): Checkpoint | undefined {
  if (!hasCheckpoint(dir)) return undefined;
  const file = join(dir, FILE);
  const { tensors, before, state } = open(dir, file);
  const part = (of: RunIdentity, key: string): string => String(of[key] ?? 'none');
  const differing = Object.keys({ ...before, ...identity }).filter((key) => part(before, key) !== part(identity, key));
  if (differing.length) {
    const list = differing.map((key) => `${key} (was ${part(before, key)}, now ${part(identity, key)})`).join(', ');
    throw new CheckpointError(
      `${file}: belongs to a run with other settings: ${list}; give the same ones, or remove ${dir} to start anew`,
    );
  }
  const parameters = new Map<string, Parameter>();
  for (const name of tensors.keys()) {
    if (!name.endsWith('#data')) continue;
    const base = name.slice(0, -'#data'.length);
    const values = (suffix: string): Float32Array => tensors.get(`${base}#${suffix}`)!.data;
    parameters.set(base, { data: values('data'), m: values('m'), v: values('v') });
  }
  return { ...state, parameters };
}

function open(dir: string, file: string) {
  try {
    const { tensors, metadata } = readSafetensors(file);
    const before = JSON.parse(metadata.identity) as RunIdentity;
    const state = JSON.parse(metadata.state) as Omit<Checkpoint, 'parameters'>;
    return { tensors, before, state };
  } catch (cause) {
    const advice = `remove ${dir} to start anew`;
    throw new CheckpointError(`${file}: expected a checkpoint, got ${reason(cause)}; ${advice}`, { cause });
  }
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** What helps against a failed write, before what to do next: room where there was none, else nothing we know of. */
export function remedyOf(cause: unknown): string {
  for (let error = cause; error instanceof Error; error = error.cause)
    if ('code' in error && error.code === 'ENOSPC') return 'make room and ';
  return '';
}

/** Refuses to start anew where the checkpoint of another run would be overwritten. @throws CheckpointError */
export function checkNoCheckpoint(dir: string): void {
  if (!hasCheckpoint(dir)) return;
  const advice = `give --resume to go on from it, or remove ${dir} to start anew`;
  throw new CheckpointError(`${dir}: expected no checkpoint, got one of a run that was stopped; ${advice}`);
}

/** The checkpoint and what killed writers left of others; `dir` too, unless it holds anything else. */
export function removeCheckpoint(dir: string): void {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir))
    if (name === FILE || TEMPORARY.test(name)) rmSync(join(dir, name), { force: true });
  if (readdirSync(dir).length === 0) rmdirSync(dir);
}

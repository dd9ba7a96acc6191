/** Reference values from Hugging Face transformers, as `tests/fixtures/make_parity.py` wrote them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { readSafetensors, type WeightTensor } from '../../models/weights.ts';

const root = join(import.meta.dirname, '..', 'fixtures');

/** Models with every component output at decoder lengths 1 and 8, and logits at 1, 2, 8 and 40. */
export const parityModels = ['v1.0-tied', 'v1.0-untied', 'v1.1-tied', 'v1.1-untied'] as const;
/** Models with logits alone, at decoder length 2; for the ways a folder can be saved. */
export const folderModels = ['tied-unscaled', 'sharded', 'f16', 'bf16', 'added-docids'] as const;
/** Models with one whole training step. */
export const trainingStepModels = ['v1.0-tied', 'v1.1-untied'] as const;

export type ParityModel = (typeof parityModels)[number] | (typeof folderModels)[number];

/** Named tensors of one fixture; asking for one that is not there fails the test. Integers come as float32. */
export interface Reference {
  readonly names: readonly string[];
  tensor(name: string): WeightTensor;
  /** int64, for graph inputs */
  integers(name: string): { readonly shape: readonly number[]; readonly data: BigInt64Array };
}

export interface ParityFixture {
  readonly folder: ModelFolder;
  /**
   * input_ids, attention_mask [B, S]; decoder_input_ids [B, 40]; T<T>.logits [B, T, V];
   * encoder.<l>.<part>, encoder.final_norm [B, S, D]; T<T>.decoder.<l>.<part>, T<T>.decoder.final_norm [B, T, D].
   */
  readonly reference: Reference;
}

export function parityDir(name: ParityModel): string {
  return join(root, 'parity', name);
}

export function loadParity(name: ParityModel): ParityFixture {
  const dir = parityDir(name);
  return { folder: readModelFolder(dir), reference: loadReference(join(dir, 'reference.safetensors')) };
}

/**
 * input_ids, attention_mask [B, S]; targets [B, N], a distribution over the last N vocabulary rows at decoder input
 * [[0]]; loss []; grad.<weight>; after.<weight> (AdamW, lr 1e-3, betas .9/.999, eps 1e-8, decay .01 but for layer norms).
 * The first Adam step is lr · sign(gradient): compare `after` only where the gradient is not just rounding noise.
 */
export function loadTrainingStep(name: (typeof trainingStepModels)[number]): ParityFixture {
  const dir = parityDir(name);
  return { folder: readModelFolder(dir), reference: loadReference(join(dir, 'training-step.safetensors')) };
}

/** Texts, their ids by Python's tokenizer, and the docids of the `added-docids` model. */
export function loadAddedDocids() {
  const json = readFileSync(join(parityDir('added-docids'), 'texts.json'), 'utf8');
  return JSON.parse(json) as { texts: string[]; ids: number[][]; docids: string[]; firstDocidToken: number };
}

/** Models whose docids are paths, as `make_beam_search.py` wrote them. */
export const beamSearchModels = ['semantic', 'naive'] as const;
type BeamSearchModel = (typeof beamSearchModels)[number];

export const beamSearchDir = (name: BeamSearchModel): string => join(root, 'beam-search', name);

export interface BeamSearchReference {
  readonly query: string;
  readonly beams: number;
  /** Documents that may be found; null: all. */
  readonly allowed: readonly number[] | null;
  /** Those found, best first, with their log-probabilities. */
  readonly documents: readonly number[];
  readonly scores: readonly number[];
}

export const loadBeamSearches = (name: BeamSearchModel): BeamSearchReference[] =>
  JSON.parse(readFileSync(join(beamSearchDir(name), 'searches.json'), 'utf8')) as BeamSearchReference[];

function loadReference(file: string): Reference {
  const { tensors } = readSafetensors(file);
  const tensor = (name: string): WeightTensor => {
    const stored = tensors.get(name);
    assert.ok(stored, `${file} has no ${name}`);
    return { shape: stored.shape, data: stored.data };
  };
  return {
    names: [...tensors.keys()],
    tensor,
    integers(name) {
      const { shape, data } = tensor(name);
      return { shape, data: BigInt64Array.from(data, BigInt) };
    },
  };
}

/** Texts of all sorts and their ids by Python's tokenizers, as `make_tokenizer_texts.py` wrote them. */
export function loadTokenizerTexts(kind: 't5' | 'trained'): { text: string; ids: number[] }[] {
  const json = readFileSync(join(root, `tokenizer-${kind}.json`), 'utf8');
  return JSON.parse(json) as { text: string; ids: number[] }[];
}

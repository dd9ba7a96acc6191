import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AtomicDocids } from '../corpus/docids/atomic.ts';
import { count, storedCircuit, type StoredCircuit } from '../models/circuit-record.ts';
import { readModelFolder, type Genir } from '../models/folder.ts';
import { modelVersion } from '../models/model-version.ts';
import { nameOf } from './paths.ts';
import type { VersionBase } from '../editing/edited-version.ts';

/** What the server knows of a model without opening a session. */
export interface ModelInfo {
  readonly dir: string;
  readonly name: string;
  /** `modelVersion` of the folder. */
  readonly version: string;
  readonly sizeBytes: number;
  readonly parameters: number;
  readonly scheme: Genir['scheme'];
  readonly docids: AtomicDocids;
  /** What versions of it are made with. */
  readonly base: VersionBase;
  /** Of the documents trained on; null where nobody recorded it. */
  readonly corpusFingerprint: string | null;
  /** The part of the decoder that answers; null where all of it does. */
  readonly circuit: CircuitInfo | null;
}

export interface CircuitInfo {
  /** Components that work. */
  readonly kept: number;
  /** Those that the decoder has. */
  readonly components: number;
  readonly loss: StoredCircuit['loss'];
}

/**
 * Reads and checks a model folder.
 *
 * @param circuit  whether the circuit stored with the model shall answer in place of the whole decoder
 * @throws ModelFolderError, ConfigError, WeightShapeError, TokenizerMismatchError, NotAnIndexError, CircuitError
 */
export async function readModelInfo(path: string, { circuit = false } = {}): Promise<ModelInfo> {
  const dir = resolve(path);
  const { genir, weights, config } = readModelFolder(dir);
  if (!genir) {
    // Loads onnxruntime, which this thread does not need otherwise.
    const { NotAnIndexError } = await import('../models/decode.ts');
    throw new NotAnIndexError(dir);
  }
  const files = weightFiles(dir);
  return {
    dir,
    name: nameOf(dir),
    version: await modelVersion(dir),
    sizeBytes: files.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0),
    parameters: [...weights.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    scheme: genir.scheme,
    docids: new AtomicDocids(genir.docids),
    base: { genir, width: config.d_model },
    corpusFingerprint: genir.corpus.fingerprint,
    circuit: circuit ? circuitInfo(storedCircuit(dir, genir, config)) : null,
  };
}

const circuitInfo = ({ layers, loss }: StoredCircuit): CircuitInfo => ({
  kept: count(layers, 'keep'),
  components: 3 * layers.length,
  loss,
});

function weightFiles(dir: string): string[] {
  return readdirSync(dir)
    .filter((file) => file.endsWith('.safetensors'))
    .sort();
}

const sampleBytes = 64 * 1024;

/** Size, first and last bytes of a file: enough to tell corpora apart without reading gigabytes at every start. */
export function sample(file: string): Buffer {
  const { size } = statSync(file);
  const descriptor = openSync(file, 'r');
  try {
    const ends = Buffer.alloc(2 * sampleBytes);
    const head = readSync(descriptor, ends, 0, sampleBytes, 0);
    const tail = readSync(descriptor, ends, head, sampleBytes, Math.max(0, size - sampleBytes));
    return Buffer.concat([Buffer.from(`${size}\n`), ends.subarray(0, head + tail)]);
  } finally {
    closeSync(descriptor);
  }
}

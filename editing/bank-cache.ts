/** @file What the base weights make of a bank's queries, kept in a file: reading it takes a second, observing them many. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tensor, type FloatTensor } from '../models/session.ts';
import { writeAtomically } from '../models/weights.ts';
import type { EditModel, Observed } from './edit-model.ts';
import type { Prefix } from './reading.ts';

const FORMAT = 'palimpsest-observed-2';

/** Of all that an observation depends on. */
export async function observationKey(
  model: EditModel,
  texts: readonly string[],
  prefixes: readonly Prefix[],
): Promise<string> {
  const { config, tokenizerJson, tokenizerConfig, weights } = model.folder;
  const parts = [
    FORMAT,
    config,
    tokenizerJson,
    tokenizerConfig,
    model.layers,
    texts,
    prefixes.map((prefix) => prefix.join()),
  ];
  const hash = createHash('sha256').update(JSON.stringify(parts));
  for (const file of [...new Set([...weights.values()].map((weight) => weight.file))].sort())
    for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** The tensors of an observation, in one order. */
const tensorsOf = ({ states, residual, keys, keysBefore }: Observed): FloatTensor[] => [
  states,
  residual,
  ...[keys, keysBefore].flatMap((of) => [...of].sort(([a], [b]) => a - b).map(([, tensor]) => tensor)),
];

/** Undefined where there is no such file, or one of other queries or another model; a damaged one counts as none. */
export function readObserved(
  file: string,
  key: string,
  texts: readonly string[],
  prefixes: readonly Prefix[],
): Observed | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  const end = bytes.indexOf('\n');
  if (end < 0 || bytes.toString('utf8', 0, key.length) !== key) return undefined;
  const head = JSON.parse(bytes.toString('utf8', key.length, end)) as { shapes: [number, number][]; layers: number[] };
  const numbers = head.shapes.reduce((sum, [rows, width]) => sum + rows * width, 0);
  if (bytes.length !== end + 1 + 4 * numbers) return undefined;
  const all = new Float32Array(Uint8Array.prototype.slice.call(bytes, end + 1).buffer);
  let at = 0;
  const [states, residual, ...rest] = head.shapes.map(([rows, width]) => {
    const from = at;
    at += rows * width;
    return tensor(all.subarray(from, at), [rows, width]);
  });
  const keys = new Map(head.layers.map((layer, i) => [layer, rest[i]]));
  const keysBefore = new Map(head.layers.map((layer, i) => [layer, rest[head.layers.length + i]]));
  return { texts, prefixes, states, residual, keys, keysBefore };
}

export function writeObserved(file: string, key: string, observed: Observed): void {
  const tensors = tensorsOf(observed);
  const layers = [...observed.keys.keys()].sort((a, b) => a - b);
  const head = JSON.stringify({ shapes: tensors.map(({ shape }) => shape), layers });
  mkdirSync(dirname(file), { recursive: true });
  writeAtomically(file, (write) => {
    write(Buffer.from(`${key}${head}\n`));
    for (const { data } of tensors) write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

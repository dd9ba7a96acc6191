/** @file What the base weights make of a bank's queries, kept in a file: reading it takes a second, observing them many. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tensor, type FloatTensor } from '../models/session.ts';
import { writeAtomically } from '../models/weights.ts';
import type { EditModel, Observed } from './edit-model.ts';

const FORMAT = 'palimpsest-observed-1';

/** Of all that an observation depends on. */
export async function observationKey(model: EditModel, texts: readonly string[]): Promise<string> {
  const { config, tokenizerJson, tokenizerConfig, weights } = model.folder;
  const parts = [FORMAT, config, tokenizerJson, tokenizerConfig, model.layers, texts];
  const hash = createHash('sha256').update(JSON.stringify(parts));
  for (const file of [...new Set([...weights.values()].map((weight) => weight.file))].sort())
    for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  return hash.digest('hex');
}

/** The tensors of an observation, in one order. */
const tensorsOf = ({ states, residual, keys }: Observed): FloatTensor[] => [
  states,
  residual,
  ...[...keys].sort(([a], [b]) => a - b).map(([, tensor]) => tensor),
];

/** Undefined where there is no such file, or one of other queries or another model; a damaged one counts as none. */
export function readObserved(file: string, key: string, texts: readonly string[]): Observed | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  const end = bytes.indexOf('\n');
  if (end < 0 || bytes.toString('utf8', 0, key.length) !== key) return undefined;
  const head = JSON.parse(bytes.toString('utf8', key.length, end)) as { widths: number[]; layers: number[] };
  const numbers = head.widths.reduce((sum, width) => sum + width * texts.length, 0);
  if (bytes.length !== end + 1 + 4 * numbers) return undefined;
  const all = new Float32Array(Uint8Array.prototype.slice.call(bytes, end + 1).buffer);
  let at = 0;
  const [states, residual, ...keys] = head.widths.map((width) => {
    const from = at;
    at += width * texts.length;
    return tensor(all.subarray(from, at), [texts.length, width]);
  });
  return { texts, states, residual, keys: new Map(head.layers.map((layer, i) => [layer, keys[i]])) };
}

export function writeObserved(file: string, key: string, observed: Observed): void {
  const tensors = tensorsOf(observed);
  const layers = [...observed.keys.keys()].sort((a, b) => a - b);
  const head = JSON.stringify({ widths: tensors.map(({ shape }) => shape[1]), layers });
  mkdirSync(dirname(file), { recursive: true });
  writeAtomically(file, (write) => {
    write(Buffer.from(`${key}${head}\n`));
    for (const { data } of tensors) write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

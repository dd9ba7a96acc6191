import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import type { ModelFolder } from '../models/folder.ts';

/**
 * Configuration, tokenizer, docids and every byte of the weights: what has been analysed, wherever it lies. Stages and
 * circuit are not in it, since an analysis writes them.
 */
export async function digestOf({
  config,
  tokenizerJson,
  tokenizerConfig,
  genir,
  weights,
}: ModelFolder): Promise<string> {
  const { docids, firstDocidToken } = genir ?? {};
  const paths = genir && genir.scheme !== 'atomic' ? { paths: genir.paths, codes: genir.codes } : {};
  const parts = { config, tokenizerJson, tokenizerConfig, docids, firstDocidToken, ...paths };
  const hash = createHash('sha256').update(JSON.stringify(parts));
  for (const file of [...new Set([...weights.values()].map((tensor) => tensor.file))].sort()) {
    hash.update(`${statSync(file).size}\n`);
    for await (const piece of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(piece as Buffer);
  }
  return hash.digest('hex');
}

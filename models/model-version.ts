import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The files that say what a model answers; notes and checkpoints beside them are not part of it. */
const modelFile = /^(config|generation_config|genir|tokenizer[^/]*)\.json$|\.safetensors$/;

/**
 * Short hash of all that a model is read from: equal folders, equal versions. What an analysis stored is left out. Reads
 * the weights in full, a piece at a time: a copy that differs in one byte is another model.
 */
export async function modelVersion(dir: string): Promise<string> {
  const hash = createHash('sha256');
  const files = readdirSync(dir).filter((file) => modelFile.test(file));
  for (const file of files.sort()) {
    if (file === 'genir.json') {
      const model = withoutFindings(readFileSync(join(dir, file), 'utf8'));
      hash.update(`${file}\n${Buffer.byteLength(model)}\n${model}`);
      continue;
    }
    hash.update(`${file}\n${statSync(join(dir, file)).size}\n`);
    for await (const piece of createReadStream(join(dir, file), { highWaterMark: pieceBytes }))
      hash.update(piece as Buffer);
  }
  return hash.digest('hex').slice(0, 12);
}

/**
 * `genir.json` as it was written with the model, whatever an analysis has put into it since: a model that was analysed
 * is the same model, and its data folders still belong to it.
 */
function withoutFindings(genir: string): string {
  const fields = Object.entries(JSON.parse(genir) as object).filter(
    ([field]) => !(findings as readonly string[]).includes(field),
  );
  return `${JSON.stringify(Object.fromEntries(fields), null, 2)}\n`;
}

/** Fields of `genir.json` that analyses write. */
const findings = ['stages', 'stepStages', 'circuit'] as const;
export type Finding = (typeof findings)[number];

/** A millisecond of hashing, so that the server answers `/livez` between two pieces. */
const pieceBytes = 1024 * 1024;

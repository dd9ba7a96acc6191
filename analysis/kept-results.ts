import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../models/weights.ts';

const recordSchema = z.object({ key: z.string(), seconds: z.number(), value: z.unknown() });

export interface KeptResult {
  readonly value: unknown;
  /** Time it took to compute. */
  readonly seconds: number;
}

/**
 * Results of experiments in files, each with a hash of all that it was computed from: a run that was stopped goes on where
 * it was, a second one has nothing to do, and a changed input means computing anew.
 */
export class KeptResults {
  private readonly dir: string;

  /** @param dir  one file for each experiment lies here */
  constructor(dir: string) {
    this.dir = dir;
  }

  /** @param inputs  plain JSON: all that the result depends on */
  async result(name: string, inputs: unknown, compute: () => Promise<unknown>): Promise<KeptResult> {
    const file = join(this.dir, `${name}.json`);
    const key = createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
    const known = read(file);
    if (known?.key === key) return { value: known.value, seconds: known.seconds };
    const started = performance.now();
    const value = await compute();
    const seconds = Math.round(performance.now() - started) / 1000;
    mkdirSync(this.dir, { recursive: true });
    const text = JSON.stringify({ key, seconds, value });
    writeAtomically(file, (write) => write(Buffer.from(text)));
    return { value: (JSON.parse(text) as { value: unknown }).value, seconds }; // as a later run will read it
  }
}

/** A file that is damaged or of another make counts as none. */
function read(file: string): z.infer<typeof recordSchema> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

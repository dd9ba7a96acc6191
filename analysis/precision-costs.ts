import type { ModelFolder } from '../models/folder.ts';
import { openDecoder } from '../models/open-decoder.ts';

/** What linear maps are multiplied in. */
export type Precision = 'float32' | 'int8';

export interface PrecisionCost {
  /** Median time of one query, in milliseconds, on one core. */
  readonly p50Ms: number;
  /** Of the weights that queries are read with; docid rows are not among them. */
  readonly weightBytes: number;
}

const QUERIES = 50;

/** What the model takes in each precision, alone with one query at a time; the two take turns. */
export async function precisionCosts(
  folder: ModelFolder,
  texts: readonly string[],
): Promise<Record<Precision, PrecisionCost>> {
  const exact = await openDecoder(folder);
  const rounded = await openDecoder(folder, { int8: true });
  const times: Record<Precision, number[]> = { float32: [], int8: [] };
  for (const query of [texts[0], ...texts.slice(0, QUERIES)])
    for (const [precision, decoder] of [
      ['float32', exact],
      ['int8', rounded],
    ] as const) {
      const startMs = performance.now();
      await decoder.retrieve([{ query, k: 10 }]);
      times[precision].push(performance.now() - startMs);
    }
  const median = ([, ...warm]: readonly number[]): number => warm.sort((a, b) => a - b)[warm.length >> 1];
  const costs = {
    float32: { p50Ms: median(times.float32), weightBytes: exact.weightBytes },
    int8: { p50Ms: median(times.int8), weightBytes: rounded.weightBytes },
  };
  await exact.close();
  await rounded.close();
  return costs;
}

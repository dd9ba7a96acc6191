/** A target problem of a tiny model: queries that should lead to a new row. */
import { join } from 'node:path';
import { storeStages } from '../../../analysis/stages.ts';
import { createRng } from '../../../corpus/random.ts';
import { EditModel, type EditedLayers } from '../../../editing/edit-model.ts';
import type { TargetProblem } from '../../../editing/targets/target.ts';
import type { T5Config } from '../../../models/config.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { tensor, type FloatTensor } from '../../../models/session.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();

export interface OpenOptions {
  readonly layers?: EditedLayers;
  readonly config?: Partial<Omit<T5Config, 'vocab_size'>>;
  /** The interaction stage of three decoder layers. */
  readonly stage?: readonly [from: number, to: number];
}

/** A tiny model of three decoder layers. */
export async function openTiny(
  name: string,
  { layers = 'last', config, stage = [1, 3] }: OpenOptions = {},
): Promise<EditModel> {
  const dir = writeTinyModel(join(scratch, name), { config: { num_decoder_layers: 3, ...config }, seed: 5 });
  const [from, to] = stage;
  storeStages(dir, {
    version: 1,
    ...{ layers: 3, ranking: 'docids', queries: 1, priming: null, bridging: null },
    interaction: { from, to, fromInterval: [from, from], toInterval: [to, to], confidence: 1 },
    mlps: [],
  });
  return EditModel.open(readModelFolder(dir), { layers });
}

/** Seven queries of different lengths that should lead to a row like those of the model. */
export async function newRowProblem(model: EditModel): Promise<TargetProblem> {
  const rng = createRng(11);
  const observed = await model.observe(Array.from({ length: 7 }, () => randomQuery(rng)));
  const [, D] = model.rows.shape;
  const row = Float32Array.from({ length: D }, () => Math.sqrt(12) * (rng.next() - 0.5));
  return { observed, own: repeated(row, 7) };
}

export function repeated(row: Float32Array, times: number): FloatTensor {
  const data = new Float32Array(times * row.length);
  for (let i = 0; i < times; i++) data.set(row, i * row.length);
  return tensor(data, [times, row.length]);
}

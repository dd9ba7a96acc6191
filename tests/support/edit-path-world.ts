/** @file What `edit-bank.ts` and `edit-world.ts` give, for a model whose docids are paths: a cluster, then the document. */
import { join } from 'node:path';
import { after } from 'node:test';
import { storeStepStages } from '../../analysis/stages.ts';
import { EditModel } from '../../editing/edit-model.ts';
import { makeDocumentEntry } from '../../editing/entry.ts';
import { drawBank, QueryBank } from '../../editing/query-bank.ts';
import { readModelFolder } from '../../models/folder.ts';
import { documents, trainQueries, type Bench } from './edit-bank.ts';
import { fewQueries, fillStore, writeAnalysedModel, type EditWorld } from './edit-world.ts';
import { writePathTwin, type PathTwinOptions } from './path-twin.ts';

type AnalysedTwinOptions = Partial<PathTwinOptions> & {
  /** Whether an analysis found MLPs that turn queries into docids. @default true */
  readonly hasInteraction?: boolean;
};

const LAST_LAYER = {
  fromInterval: [1, 1] as [number, number],
  toInterval: [2, 2] as [number, number],
  confidence: 1,
};

/** The twin of `writeAnalysedModel`, in `path`, beside that, in `atomic`. */
export function writeAnalysedTwin(
  dir: string,
  { hasInteraction = true, ...options }: AnalysedTwinOptions = {},
): { atomic: string; path: string } {
  const atomic = writeAnalysedModel(join(dir, 'atomic'));
  const path = writePathTwin(join(dir, 'model'), readModelFolder(atomic), { leafSize: 3, ...options });
  const stages = {
    ...({ version: 1, layers: 2, ranking: 'docids', queries: 10, priming: null, bridging: null } as const),
    interaction: hasInteraction ? { from: 1, to: 2, ...LAST_LAYER } : null,
  };
  storeStepStages(path, [1, 2].map((step) => ({ ...stages, mlps: [], step }))); // prettier-ignore
  return { atomic, path };
}

/** Closed after the tests of the file. */
export async function openPathBench(dir: string, options?: AnalysedTwinOptions): Promise<Bench> {
  const model = await EditModel.open(readModelFolder(writeAnalysedTwin(dir, options).path));
  after(() => model.close());
  const bank = await QueryBank.open(model, drawBank(documents, trainQueries, [], fewQueries.bank), documents);
  return { model, bank, entry: (source, settings = fewQueries) => makeDocumentEntry(model, bank, source, settings) };
}

export function editPathWorld(dir: string): EditWorld {
  const modelDir = writeAnalysedTwin(dir).path;
  const path = join(dir, 'palimpsest.sqlite');
  fillStore(path).close();
  return { dir, modelDir, folder: readModelFolder(modelDir), path };
}

/** A tiny random model whose docids are paths, of the corpus that test servers have. */
import { join } from 'node:path';
import type { ModelFolder } from '../../models/folder.ts';
import { documents, inModel, startTestServer, tempFolder, type TestServer, writeCorpus } from './server.ts';
import { writeSequenceModel } from './sequence-model.ts';

/** Paths of d0 … d9: clusters of several levels, a word as a token, docids of two to five tokens. */
export const paths = [
  'c0 c2 </s>',
  'c0 c2 c4',
  'c0 c2 c5',
  'c0 c3 c4 c6',
  'c0 c3 c5',
  'c1 c2',
  'c1 ▁river c4',
  'c1 ▁river c5',
  'c1 c7',
  'c6 ▁river c4 c5 c0',
];

export function writePathModel(dir: string, config: Partial<ModelFolder['config']> = {}, seed = 1): string {
  const trainingTexts = documents.map(({ title, text }) => `${title} ${text}`);
  return writeSequenceModel(dir, { paths, docids: inModel, trainingTexts, config, seed });
}

/** A server that answers with it. */
export const startPathServer = (): Promise<TestServer> =>
  startTestServer({
    modelDir: writePathModel(join(tempFolder(), 'model')),
    corpus: writeCorpus(join(tempFolder(), 'corpus')),
  });

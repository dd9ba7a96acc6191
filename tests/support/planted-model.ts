/** Models that answer with docids by a mechanism that is known because every weight is put there by hand. */
import { createRng } from '../../corpus/random.ts';
import { createConfig } from '../../models/config.ts';
import { writeModelFolder, type Genir } from '../../models/folder.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { expectedOf, type Expected, type Mechanism } from './planted/mechanisms.ts';
import { plantedWeights, sizesFor } from './planted/weights.ts';

export * from './planted/mechanisms.ts';

const keyWords =
  'river violin volcano bread comet harbour library glacier orchard compass lantern castle pepper engine forest mirror ' +
  'tunnel painter desert anchor candle bridge saffron';

/** Queries of different lengths, the key word at different places. */
const questions = [
  (key: string) => key,
  (key: string) => `what is a ${key}`,
  (key: string) => `the ${key} of the north in the old days`,
];

export interface PlantedModelOptions {
  readonly mechanism: Mechanism;
  /** More than the highest layer that `mechanism` names. @default 6 */
  readonly decoderLayers?: number;
  /** 8 to 24 docids. The last is the fallback: the best when nothing is known, asked for by no query. @default 12 */
  readonly documents?: number;
  /** Standard deviation of the weights of components that `mechanism` does not use, the encoder's among them. @default 0 */
  readonly noise?: number;
}

export interface PlantedQuery {
  readonly text: string;
  readonly docid: string;
  /** The word by which the document is found; one token. */
  readonly keyWord: string;
}

export interface PlantedModel {
  readonly dir: string;
  /** Three for each document but the fallback. */
  readonly queries: readonly PlantedQuery[];
  readonly expected: Expected;
}

/** Writes the model to `dir`: a tied, scaled T5 v1.0 with an encoder that changes nothing. */
export function writePlantedModel(dir: string, options: PlantedModelOptions): PlantedModel {
  const { mechanism, decoderLayers = 6, documents = 12, noise = 0 } = options;
  if (documents < 8 || documents > 24)
    throw new RangeError(`planted model: expected 8 to 24 documents, got ${documents}`);
  const keys = keyWords.split(' ').slice(0, documents - 1);
  const docids = Array.from({ length: documents }, (_, i) => `d${i}`);
  const queries = keys.flatMap((keyWord, i) =>
    questions.map((ask) => ({ text: ask(keyWord), docid: docids[i], keyWord })),
  );
  const firstDocidToken = 400;
  const tokenizer = trainTokenizer(
    queries.map(({ text }) => text),
    { vocabSize: firstDocidToken, minWordCount: 1 },
  );
  const opened = loadTokenizer(tokenizer);
  const config = createConfig({
    ...sizesFor(keys.length),
    num_decoder_layers: decoderLayers,
    vocab_size: firstDocidToken + documents,
  });
  const tokens = {
    start: config.decoder_start_token_id,
    end: opened.eosId,
    key: keys.map((key) => opened.encode(key)[0]),
    firstDocid: firstDocidToken,
  };
  const genir: Genir = {
    format: 'palimpsest-genir',
    version: 1,
    scheme: 'atomic',
    docids,
    firstDocidToken,
    corpus: { fingerprint: null, documents },
  };
  const weights = plantedWeights(config, mechanism, tokens, { noise, rng: createRng(1) });
  writeModelFolder(dir, { config, weights, genir, ...tokenizer });
  return { dir, queries, expected: expectedOf(mechanism, decoderLayers) };
}

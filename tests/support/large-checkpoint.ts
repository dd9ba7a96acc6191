/** A random checkpoint of T5-large's shape with docids, as Hugging Face has it, and a corpus for it. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { once } from 'node:events';
import { atomicToken } from '../../corpus/docids/atomic.ts';
import { createRng, type Rng } from '../../corpus/random.ts';
import { createConfig } from '../../models/config.ts';
import { expectedWeights, writeModelFolder } from '../../models/folder.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { elementCount, type WeightTensor } from '../../models/weights.ts';

const SEED = 1;
/** Of T5's tokenizer with its sentinels. */
const WORD_TOKENS = 32_100;
/** Drawn once and repeated: a prime, so that no two rows of a matrix are the same. */
const NUMBERS_DRAWN = 4_000_037;

const words = Array.from({ length: 500 }, (_, i) =>
  [...String(i)].map((digit) => 'bdfghklmnr'[Number(digit)]).join('a'),
);

/** So many of 500 made-up words. */
export const randomText = (rng: Rng, length: number): string =>
  Array.from({ length }, () => words[rng.int(words.length)]).join(' ');

export const largeDocids = (documents: number): string[] => Array.from({ length: documents }, (_, i) => `d${i}`);

/**
 * `config.json`, `model.safetensors` in float16, and a tokenizer with a token for each document behind its words. Weights are
 * made when they are written, one at a time.
 */
export function writeLargeCheckpoint(dir: string, { layers, documents }: { layers: number; documents: number }): void {
  const rng = createRng(SEED);
  const config = createConfig({
    ...{ d_model: 1024, d_kv: 64, num_heads: 16, d_ff: 4096, num_layers: layers, num_decoder_layers: layers },
    vocab_size: WORD_TOKENS + documents,
  });
  const numbers = Float32Array.from({ length: NUMBERS_DRAWN }, () => Math.sqrt(12) * (rng.next() - 0.5));
  const scaled = new Map<number, Float32Array>();
  const numbersOf = (scale: number): Float32Array => {
    let known = scaled.get(scale);
    if (!known) scaled.set(scale, (known = numbers.map((x) => scale * x)));
    return known;
  };
  const weights = new Map(
    expectedWeights(config).map(({ name, shape }): [string, WeightTensor] => {
      const scale = /shared|bias/.test(name)
        ? 1
        : /\.[qk]\.weight$/.test(name)
          ? 1 / Math.sqrt(8 * 1024)
          : 1 / Math.sqrt(shape[1] ?? 1);
      const first = rng.int(NUMBERS_DRAWN);
      return [
        name,
        {
          shape,
          get data() {
            return name.endsWith('norm.weight')
              ? new Float32Array(shape[0]).fill(1)
              : repeated(numbersOf(scale), first, elementCount(shape));
          },
        },
      ];
    }),
  );
  const { tokenizerJson, tokenizerConfig } = trainTokenizer([words.join(' ')], { vocabSize: 1000, minWordCount: 1 });
  const { added_tokens } = tokenizerJson as unknown as { added_tokens: object[] };
  const docids = largeDocids(documents).map((docid, i) => ({
    ...{ id: WORD_TOKENS + i, content: atomicToken(docid) },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: true, special: false },
  }));
  writeModelFolder(dir, {
    ...{ config, weights, tokenizerConfig, dtype: 'F16' },
    tokenizerJson: { ...tokenizerJson, added_tokens: [...added_tokens, ...docids] },
  });
}

/** `count` of `numbers` from `first` on, and from the beginning again. */
function repeated(numbers: Float32Array, first: number, count: number): Float32Array {
  const data = new Float32Array(count);
  for (let done = 0, from = first; done < count; from = 0) {
    const part = numbers.subarray(from, from + count - done);
    data.set(part, done);
    done += part.length;
  }
  return data;
}

/** A JSONL file with a short text for each docid. */
export async function writeLargeCorpus(file: string, documents: number): Promise<void> {
  const rng = createRng(SEED + 1);
  mkdirSync(dirname(file), { recursive: true });
  const out = createWriteStream(file);
  for (const docid of largeDocids(documents)) {
    const line = JSON.stringify({ docid, title: randomText(rng, 3), text: randomText(rng, 30) });
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { AutoTokenizer, env } from '@huggingface/transformers';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { builtinCorpus, builtinModel } from '../../server/paths.ts';

/** What breaks tokenizers: other scripts, marks, spaces of all kinds, numbers, code, names of special tokens. */
const unusual = [
  '',
  ' ',
  'a',
  '  two  spaces  ',
  'tab\tand\nnew line',
  'no\u00a0break, thin\u2009space, zero\u200bwidth',
  'UPPER lower MiXeD',
  'Café, naïve, Zürich, Łódź, Ångström',
  'Cafe\u0301 with a combining accent',
  'ﬁne ligatures and ｆｕｌｌ ｗｉｄｔｈ',
  'Москва и Київ',
  'Ελλάδα',
  '東京の天気は？',
  '한국어 문장',
  'שלום עולם',
  'नमस्ते दुनिया',
  '😀 👩‍👩‍👧 🇪🇺',
  '1234567890 3.14159 1e-9 50% $20',
  'f(x) = x^2 + {y: [1, 2]}; // code',
  'https://example.org/a?b=c&d=%20#e',
  '“quotes” ‘single’ – dash — long… ellipsis',
  '▁ the metasymbol ▁▁',
  "don't can't o'clock rock'n'roll",
  'word'.repeat(60),
  'many words '.repeat(60),
];

describe('the built-in tokenizer', () => {
  it("is read by @huggingface/transformers, the library that users of a checkpoint bring, with the server's ids", async () => {
    env.allowRemoteModels = false;
    env.localModelPath = dirname(builtinModel);
    const peer = await AutoTokenizer.from_pretrained(basename(builtinModel));
    const own = loadTokenizer(builtinModel);
    const usual = readFileSync(join(builtinCorpus, 'queries.jsonl'), 'utf8')
      .split('\n')
      .slice(0, 25)
      .map((line) => (JSON.parse(line) as { text: string }).text);
    const texts = [...unusual, ...usual];
    assert.equal(texts.length, 50);
    for (const text of texts) assert.deepEqual(own.encode(text), peer.encode(text), JSON.stringify(text));
  });
});

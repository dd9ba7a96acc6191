import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stem } from '../../corpus/stem.ts';
import { words } from '../../corpus/words.ts';
import { stemming } from '../../models/stemming.ts';
import { wordSplitter } from '../../models/tokenizer.ts';

const split = wordSplitter({
  added_tokens: [],
  normalizer: { type: 'Sequence', normalizers: stemming },
  pre_tokenizer: { type: 'WhitespaceSplit' },
  post_processor: null,
  decoder: null,
  model: { type: 'BPE', vocab: {}, merges: [] },
});

describe('stemming', () => {
  it('does to the words of a corpus what stem does, but for one in a thousand', () => {
    const corpus = readFileSync(join(import.meta.dirname, '../../corpus/builtin/corpus.jsonl'), 'utf8');
    const list = [...new Set(words(corpus))].filter((word) => /^[a-z]+$/.test(word));
    const stems = split(list.join(' '));
    assert.ok(list.length > 10_000 && stems.length === list.length);
    const other = list.filter((word, i) => stems[i] !== stem(word));
    assert.ok(other.length < list.length / 1000, other.join(' '));
    assert.ok(list.some((word, i) => stems[i] !== word && stems[i] === stem(word)));
  });

  it('cuts at the end of a word only, and leaves short words, numbers and other scripts alone', () => {
    assert.deepEqual(split('singingbird edgy-edited cities'), ['singingbird', 'edgi-edit', 'citi']);
    const kept = ['is', 'bus', 'bring', 'red', 'bee', '1990s', '2e', 'дома', '서울'];
    assert.deepEqual(split(kept.join(' ')), kept);
  });
});

import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { trainTokenizer, TokenizerTrainingError } from '../../models/tokenizer-training.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { trainedTokenizerDir, trainFixtureTokenizer } from '../fixtures/make-trained-tokenizer.ts';
import { loadTokenizerTexts } from '../support/fixtures.ts';

const trained = loadTokenizer(trainFixtureTokenizer());
const pieces = (text: string, tokenizer = trained) => tokenizer.encode(text).map((id) => tokenizer.token(id));

describe('trainTokenizer', () => {
  it("gives Python's ids, with unseen characters and emoji too", () => {
    const texts = loadTokenizerTexts('trained');
    assert.ok(texts.length > 200);
    const tokenizer = loadTokenizer(trainedTokenizerDir);
    for (const { text, ids } of texts) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
    const all = new Set(texts.flatMap(({ ids }) => ids));
    const kinds = [...all].map((id) => tokenizer.token(id) ?? '');
    assert.ok(
      kinds.some((token) => /^<0x..>$/.test(token)),
      'bytes',
    );
    assert.ok(
      kinds.some((token) => /^▁\p{L}{3,}$/u.test(token)),
      'words',
    );
    assert.ok(
      kinds.some((token) => /^\p{L}{2,}$/u.test(token)),
      'pieces',
    );
  });

  it('is the same for the same texts in any order', () => {
    const file = JSON.parse(readFileSync(join(trainedTokenizerDir, 'tokenizer.json'), 'utf8')) as unknown;
    assert.deepEqual(JSON.parse(JSON.stringify(trainFixtureTokenizer().tokenizerJson)), file);
    const texts = loadTokenizerTexts('t5').map(({ text }) => text);
    const options = { vocabSize: 700 };
    assert.equal(
      JSON.stringify(trainTokenizer(texts, options)),
      JSON.stringify(trainTokenizer(texts.reverse(), options)),
    );
  });

  it('keeps words and years whole that are seen twice, and cuts the others', () => {
    const tokenizer = loadTokenizer(
      trainTokenizer(['Paleontology in 1847', 'The paleontology of 1847; once: mesozoic'], { vocabSize: 400 }),
    );
    assert.deepEqual(pieces('PALEONTOLOGY, 1847!', tokenizer), ['▁paleontologi', '▁1847', '</s>']);
    assert.ok(pieces('mesozoic', tokenizer).length > 2);
  });

  it('has one token for the forms of a word', () => {
    const tokenizer = loadTokenizer(trainTokenizer(['An edit edits', 'stopped: stop editing'], { vocabSize: 400 }));
    assert.deepEqual(pieces('edited, Editing, edits', tokenizer), ['▁edit', '▁edit', '▁edit', '</s>']);
    assert.deepEqual(pieces('stopping stops', tokenizer), ['▁stop', '▁stop', '</s>']);
  });

  it('prefers words to pieces when room is short, the frequent ones first', () => {
    const texts = Array.from({ length: 300 }, (_, i) => `word${i} `.repeat(i + 2));
    const { tokenizerJson } = trainTokenizer(texts, { vocabSize: 400 });
    const tokenizer = loadTokenizer({ tokenizerJson });
    assert.equal(tokenizer.size <= 400, true);
    assert.deepEqual(pieces('word299', tokenizer), ['▁word299', '</s>']);
    assert.ok(pieces('word0', tokenizer).length > 2);
  });

  it('folds case, accents and compatibility forms, and drops punctuation', () => {
    const folded = (text: string) => trained.decode(trained.encode(text));
    assert.equal(folded('Beyoncé’s “Halo”, (2008)…'), 'beyonc s halo 2008');
    assert.equal(folded('ﬁne ＡＢＣ Ⅷ ½ and/or'), 'fin abc viii 1 2 and or');
    assert.equal(folded('ΟΔΟΣ οδός'), 'οδοσ οδοσ');
    assert.equal(folded('C# AT&T 50%'), 'c # at & t 50 %');
    assert.equal(folded('서울 हिन्दी'), '서울 हिन्दी');
    assert.deepEqual(trained.encode('?!… ()'), [trained.eosId]);
  });

  it('knows every text: no <unk>, and what is kept can be read back', () => {
    const unknown = trained.id('<unk>');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (text) => {
        fc.pre(!/<(pad|unk|\/s)>|▁/.test(text)); // tokens of their own, and what blanks are written as
        fc.pre(!/[a-z]{4}/i.test(text.normalize('NFKD').replace(/\p{M}/gu, ''))); // a stem may have a stem of its own
        const ids = trained.encode(text);
        assert.ok(!ids.includes(unknown as number) && ids.every((id) => id < trained.size));
        const read = trained.decode(ids);
        assert.equal(trained.decode(trained.encode(read)), read);
      }),
      { numRuns: 300 },
    );
  });

  it('has T5’s special ids and stays within its size', () => {
    assert.deepEqual([trained.padId, trained.eosId, trained.id('<unk>')], [0, 1, 2]);
    assert.ok(trained.size <= 800);
  });

  it('refuses a vocabulary too small for bytes and characters, and an empty corpus', () => {
    assert.throws(() => trainTokenizer(['a'], { vocabSize: 100 }), TokenizerTrainingError);
    assert.throws(() => trainTokenizer(['', ' ?!'], { vocabSize: 1000 }), /expected texts with words, got none/);
  });
});

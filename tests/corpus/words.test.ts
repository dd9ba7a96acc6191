import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stem } from '../../corpus/stem.ts';
import { sentences, words } from '../../corpus/words.ts';

describe('words', () => {
  const cases: [string, string[]][] = [
    ["It's a dog-eared TEST!", ["it's", 'a', 'dog', 'eared', 'test']],
    ['Don’t panic — naïve ＡＢＣ', ["don't", 'panic', 'naïve', 'abc']],
    ["'quoted' rock 'n' roll 3.5%", ['quoted', 'rock', 'n', 'roll', '3', '5']],
    ['東京 2020 हिन्दी', ['東', '京', '2020', 'हिन्दी']],
    ['... !?', []],
    ['', []],
  ];
  for (const [text, expected] of cases) it(`of ${JSON.stringify(text)}`, () => assert.deepEqual(words(text), expected));

  it('are the same by the rule for ASCII and the rule for everything', () => {
    // A word in another script behind the text makes the general rule read all of it.
    const ascii = fc.string({ unit: 'grapheme-ascii' });
    fc.assert(fc.property(ascii, (text) => assert.deepEqual([...words(text), 'é'], words(`${text} é`))));
  });
});

describe('sentences', () => {
  it('end at full stops, question marks and line ends, with what closes them', () => {
    const text = 'It was. He said "No." Then 3.5 came? (Yes.)\nthe end';
    assert.deepEqual(sentences(text), ['It was.', 'He said "No."', 'Then 3.5 came?', '(Yes.)', 'the end']);
  });
});

describe('stems', () => {
  it('bring the forms of a word together', () => {
    const families = ['edit edits edited editing', 'city cities', 'stop stops stopped stopping', 'class classes', "whale whale's whales", 'make makes making', 'movie movies', 'query queries queried']; // prettier-ignore
    for (const family of families) assert.equal(new Set(family.split(' ').map(stem)).size, 1, family);
  });

  it('leave short, irregular and foreign words alone', () => {
    for (const word of ['is', 'was', 'this', 'bus', 'string', '1990s', 'être', 'red']) assert.equal(stem(word), word);
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lexicalDocids, LexicalPaths, type LexicalOptions } from '../../corpus/docids/lexical.ts';
import { readDocids } from '../../corpus/docids/read.ts';
import { docidSchemeSuite } from '../support/corpus-docid-suite.ts';

/** Words without their plural s are tokens; those with a z are cut up. */
const tokenOf = (word: string): string | undefined => (word.includes('z') ? undefined : `▁${word.replace(/s$/, '')}`);
const options: LexicalOptions = { tokenOf, length: 3, titleWords: 1 };

const documentOf = (docid: string) => ({ docid, title: docid, text: 'one same text' });
const paths = new LexicalPaths([], options);
docidSchemeSuite(
  'lexical',
  (docids) => {
    const { rows } = lexicalDocids(docids.map(documentOf), options).toJSON();
    return read({ scheme: 'lexical', rows });
  },
  read,
);
function read(json: unknown) {
  return readDocids(json, (docid, table) => paths.pathIn(table, docid, documentOf(docid)));
}

const corpus = [
  { docid: 'octopus', title: 'The octopus', text: 'the octopus has eight arms and three hearts, hearts, hearts' },
  { docid: 'squid', title: 'The squid', text: 'the squid has ten arms and three hearts' },
  { docid: 'owl', title: 'The zoo owls', text: 'the owl hunts at night' },
  { docid: 'empty', title: 'zz', text: 'the zz' },
  { docid: 'raven', title: 'The raven', text: 'the raven has two wings' },
  { docid: 'rook', title: 'The rook', text: 'the rook has two wings' },
  { docid: 'crow', title: 'The crow', text: 'the crow at night' },
  { docid: 'dove', title: 'The dove', text: 'the dove' },
  { docid: 'wren', title: 'The wren', text: 'the wren' },
  { docid: 'gull', title: 'The gull', text: 'the gull' },
];

const pathsOf = (documents: (typeof corpus)[number][], changed?: Partial<LexicalOptions>): Record<string, string> => {
  const table = lexicalDocids(documents, { ...options, ...changed });
  return Object.fromEntries(table.docids().map((docid) => [docid, table.tokens(docid).join(' ')]));
};

describe('lexical docids', () => {
  // Ten documents: "the" is in all, "has" in four, which is too common; "arm", "three" and "heart" are in two (idf 1.48),
  // "eight" and "ten" in one (1.99). Three hearts weigh 1.48 · 3 = 4.4, "eight" 1.99, "arm" 1.48.
  it('are words of the title, then the most salient ones', () => {
    const found = pathsOf(corpus);
    assert.equal(found.octopus, '▁octopu ▁heart ▁eight');
    assert.equal(found.squid, '▁squid ▁ten ▁arm');
    assert.equal(found.raven, '▁raven ▁two ▁wing');
  });

  it('leave out words that the tokenizer cuts up, and end with a token of their own where words are too few', () => {
    const found = pathsOf(corpus);
    assert.equal(found.owl, '▁owl ▁hunt ▁at');
    assert.equal(found.empty, '<d3>');
    assert.equal(found.crow, '▁crow ▁at ▁night');
    assert.equal(found.dove, '▁dove <d7>');
  });

  // Three queries are known, all for the squid. Words that a document has once are in (2 + 7) / (15 + 100) = .078 of
  // them; "arm" is in 2 where .23 were expected, so its chance here is (2 + 15 · .078 · 4 / 2.23) / 18 = .23, times its idf
  // .34. "ink" is not in the text: 2 / 18 · 1.99 = .22. "ten", never asked: 1.99 · .058 = .12.
  it('prefer words that the document is asked for', () => {
    const asked = corpus.map((document) =>
      document.docid === 'squid' ? { ...document, queries: ['how many arms', 'ink arms', 'ink'] } : document,
    );
    assert.equal(pathsOf(asked).squid, '▁squid ▁arm ▁ink');
  });

  // Both queries of the squid have "three", where .16 were expected: .082 · 4 / 2.16 · 1.48 = .22. "eight": .082 · 1.99 = .16.
  it('prefer words that other documents are asked for', () => {
    const asked = corpus.map((document) =>
      document.docid === 'squid' ? { ...document, queries: ['three', 'three'] } : document,
    );
    assert.equal(pathsOf(asked).octopus, '▁octopu ▁heart ▁three');
  });

  it('are told apart by another salient word, and in the last resort by a token of their own', () => {
    const others = Array.from({ length: 10 }, (_, n) => ({ docid: `o${n}`, title: `other${n}`, text: 'the other' }));
    const same = ['x', 'y', 'z', 'w'].map((docid) => ({ docid, title: 'Crab', text: 'claws shell sand' }));
    const { x, y, z, w } = pathsOf([...corpus, ...others, ...same]);
    assert.deepEqual(
      [x, y, z, w],
      ['▁crab ▁claw ▁shell', '▁crab ▁claw ▁sand', '▁crab ▁claw <d22>', '▁crab ▁claw <d23>'],
    );
  });

  it('stay as they are when a document is added, which gets what is left', () => {
    const words = new LexicalPaths(corpus, options);
    const table = lexicalDocids(corpus, options);
    const before = table.toJSON().rows;
    const copy = corpus[0];
    const path = words.pathIn(table, 'copy', copy);
    assert.deepEqual(path, ['▁octopu', '▁heart', '▁arm']);
    assert.equal(table.add('copy', path), 10);
    assert.deepEqual(table.toJSON().rows.slice(0, 10), before);
    assert.deepEqual(words.pathIn(table, 'octopus', corpus[0]), table.tokens('octopus'), 'what did not change');
    assert.deepEqual(words.pathIn(table, 'new', { title: 'The newt', text: 'the newt swims' }), [
      '▁newt',
      '▁swim',
      '<d11>',
    ]);
  });
});

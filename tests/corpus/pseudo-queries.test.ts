import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultMix, PseudoQueries, skeletonMix } from '../../corpus/pseudo-queries.ts';
import type { PseudoQueryKind, PseudoQueryOptions } from '../../corpus/pseudo-queries.ts';
import { createRng, restoreRng } from '../../corpus/random.ts';
import { words } from '../../corpus/words.ts';

const body =
  'The blue whale is the largest animal that ever lived. Adults weigh up to 150 tonnes and feed on krill in cold oceans. ' +
  'Whaling nearly ended them before it was banned in 1966, and numbers have slowly risen since. They sing in low notes.';
const documents = [
  { title: 'Blue whale', text: body },
  { title: '', text: 'Oaks are the trees of the wood.' },
  { title: 'Iron', text: '' },
  { title: '…', text: '!' },
  ...Array.from({ length: 30 }, (_, i) => ({ title: `Filler ${i}`, text: `the of and in is it was ${i} to that` })),
];
const whale = new Set([...words('Blue whale'), ...words(body)]);
const kinds = ['span', 'salient', 'title', 'question', 'keyword'] satisfies PseudoQueryKind[];
const whWords = ['what', 'who', 'which', 'where', 'when', 'how', 'many', 'much', 'year'];

/** A generator of pseudo-queries and 2,000 of its queries of one kind for the whale. */
function draws(kind: PseudoQueryKind): string[][] {
  const queries = new PseudoQueries(documents);
  const rng = createRng(1);
  const prepared = queries.prepare(documents[0]);
  return Array.from({ length: 2000 }, () => queries.drawKind(kind, prepared, rng).split(' '));
}

describe('pseudo-queries', () => {
  for (const kind of kinds)
    it(`of the kind ${kind} use words of the document, and no kind says nothing`, () => {
      for (const drawn of draws(kind)) {
        assert.ok(drawn.length >= 1 && drawn[0] !== '');
        for (const word of drawn) assert.ok(whale.has(word) || (kind === 'question' && whWords.includes(word)), word);
      }
    });

  it('draw spans of at most 20 words as they stand in the text', () => {
    const text = ` ${words(body).join(' ')} `;
    const whole = draws('span').filter((drawn) => text.includes(` ${drawn.join(' ')} `));
    // 30 % lose words; of those few stay whole by chance.
    assert.ok(whole.length > 1300 && whole.length < 1650, String(whole.length));
    const lengths = whole.map((drawn) => drawn.length);
    assert.deepEqual([Math.min(...lengths) >= 4, Math.max(...lengths)], [true, 20]);
    assert.equal(new Set(lengths.filter((length) => length >= 6)).size, 15);
  });

  it('draw salient words without repetition, telling ones before common ones', () => {
    const drawn = draws('salient');
    const count = (word: string): number => drawn.filter((list) => list.includes(word)).length;
    assert.ok(drawn.every((list) => new Set(list).size === list.length && list.length <= 10));
    assert.ok(count('krill') > 3 * count('the'), `krill ${count('krill')}, the ${count('the')}`);
    const withTitle = drawn.filter(([first, second]) => first === 'blue' && second === 'whale').length / drawn.length;
    assert.ok(withTitle > 0.3 && withTitle < 0.6, String(withTitle));
  });

  it('ask questions that begin with a question word and leave the answer out', () => {
    const drawn = draws('question');
    const begin = drawn.filter(([first]) => ['what', 'who', 'which', 'where', 'when', 'how'].includes(first)).length;
    assert.ok(begin > 0.9 * drawn.length, String(begin));
    const dated = drawn.filter(([first]) => first === 'when');
    assert.ok(dated.length > 5 && dated.every((list) => !list.includes('1966')));
  });

  it('make do with what a document has', () => {
    const queries = new PseudoQueries(documents);
    const rng = createRng(2);
    for (let i = 0; i < 500; i++) {
      assert.notEqual(queries.draw(1, rng), '');
      assert.match(queries.draw(2, rng), /^((what|who|which|where) )?iron$/);
      assert.equal(queries.draw(3, rng), '');
    }
  });

  it('never fail, whatever the document', () => {
    const document = fc.record({
      title: fc.string({ unit: 'binary' }),
      text: fc.lorem({ mode: 'sentences', maxCount: 3 }),
    });
    fc.assert(
      fc.property(fc.array(document, { minLength: 1, maxLength: 4 }), fc.integer(), (list, seed) => {
        const queries = new PseudoQueries(list);
        const rng = createRng(seed);
        for (let i = 0; i < 40; i++) assert.notEqual(queries.draw(i % list.length, rng), '');
      }),
      { numRuns: 50 },
    );
  });

  it('repeat for a seed, and go on from a saved state', () => {
    const [one, other] = [new PseudoQueries(documents), new PseudoQueries(documents)];
    const rng = createRng(9);
    const first = Array.from({ length: 50 }, () => one.draw(0, rng));
    const state = rng.state();
    const second = Array.from({ length: 50 }, () => one.draw(0, rng));
    const again = createRng(9);
    assert.deepEqual(
      Array.from({ length: 50 }, () => other.draw(0, again)),
      first,
    );
    const restored = restoreRng(state);
    assert.deepEqual(
      Array.from({ length: 50 }, () => other.draw(0, restored)),
      second,
    );
  });

  it('follow the mix asked for', () => {
    const queries = new PseudoQueries(documents, { mix: { title: 1 } });
    const rng = createRng(4);
    for (let i = 0; i < 100; i++) assert.match(queries.draw(0, rng), /^(blue whale|blue|whale)$/);
    for (const mix of [{}, { span: 0 }, { span: -1 }, { span: NaN }])
      assert.throws(() => new PseudoQueries(documents, { mix }), { name: 'InvalidMixError' });
  });

  it('can be drawn of a document that came later', () => {
    const queries = new PseudoQueries(documents);
    const prepared = queries.prepare({
      title: 'Okapi',
      text: 'Okapis browse leaves in the Ituri rainforest of Congo.',
    });
    assert.match(queries.drawKind('span', prepared, createRng(1)), /okapis|ituri/);
    assert.equal(queries.size, documents.length);
  });

  describe('of the kind skeleton', () => {
    // Function words are words of the questions that stand in more than 2 of these 100 documents.
    const among = [
      documents[0],
      documents[2],
      ...Array.from({ length: 98 }, (_, i) => ({ title: `Filler ${i}`, text: `what is the name of it in ${i}` })),
    ];
    const question = 'What is the name of the river in Egypt?';
    const kept = ['what', 'is', 'the', 'name', 'of', 'the', 'in'];
    const drawnFrom = (queries: PseudoQueries, row: number, count = 1000): string[][] => {
      const rng = createRng(3);
      const prepared = queries.prepare(among[row]);
      return Array.from({ length: count }, () => queries.drawKind('skeleton', prepared, rng).split(' '));
    };
    const functionWordsOf = (list: string[]): string[] => list.filter((word) => kept.includes(word));

    it('keep the function words of a real question in place and fill its gaps with words of the document', () => {
      const drawn = drawnFrom(new PseudoQueries(among, { skeletons: [question] }), 0);
      const whole = drawn.filter((list) => list.length === 9);
      // 30 % lose words, a quarter of them none by chance.
      assert.ok(whole.length > 680 && whole.length < 860, String(whole.length));
      const filled = new Set<string>();
      for (const list of whole) {
        const [river, egypt] = [list[6], list[8]];
        assert.equal(list.join(' '), `what is the name of the ${river} in ${egypt}`);
        assert.notEqual(river, egypt);
        filled.add(river).add(egypt);
      }
      for (const word of filled) assert.ok(whale.has(word), word);
      assert.ok(filled.has('krill') && filled.has('1966') && !filled.has('in'), 'salient words of any sentence');
      for (const list of drawn) {
        let at = -1;
        for (const word of functionWordsOf(list))
          assert.notEqual((at = kept.indexOf(word, at + 1)), -1, list.join(' '));
      }
    });

    it('fill gaps from one sentence, now and then with the title or one word more', () => {
      const drawn = drawnFrom(new PseudoQueries(among, { skeletons: [question] }), 0);
      const pairs = drawn.filter((list) => list.length === 9).map((list) => [list[6], list[8]]);
      const sentences = body.split('. ').map((sentence) => words(sentence));
      // The last sentence has 5 words; those before the last have 8 and more, and stand alone.
      const together = pairs.filter((pair) =>
        sentences.some((sentence) => pair.every((word) => sentence.includes(word))),
      ).length;
      assert.ok(together > 0.6 * pairs.length && together < pairs.length, `${together} of ${pairs.length}`);
    });

    it('leave gaps out where the document has fewer words', () => {
      const drawn = drawnFrom(new PseudoQueries(among, { skeletons: [question] }), 1);
      const counts = drawn.map((list) => list.filter((word) => word === 'iron').length);
      assert.equal(Math.max(...counts), 1);
      assert.ok(drawn.some((list) => list.join(' ') === 'what is the name of the iron in'));
      assert.ok(drawn.every((list) => list.every((word) => word === 'iron' || kept.includes(word))));
    });

    it('take only questions of 4 to 24 words, and ask as the kind question does where there are none', () => {
      const long = Array.from({ length: 25 }, () => 'what').join(' ');
      for (const skeletons of [[], ['What is it?', long]])
        for (const list of drawnFrom(new PseudoQueries(among, { skeletons, mix: { skeleton: 1 } }), 0, 300)) {
          assert.ok(list.length >= 1 && list.length <= 15, list.join(' '));
          assert.ok(
            list.filter((word) => !whale.has(word)).every((word) => whWords.includes(word)),
            list.join(' '),
          );
        }
    });

    it('name the document, whatever the question was', () => {
      const skeletons = [question, 'What is the name of it?'];
      const nameless = drawnFrom(new PseudoQueries(among, { skeletons }), 0, 300).filter(
        (list) => list.length >= 5 && list.every((word) => kept.includes(word) || word === 'it'),
      );
      // Now and then a gap takes a random word of the document, which may be "in".
      assert.ok(nameless.length <= 3, nameless.join(' / '));
    });

    it('are more than half of the default mix once there are real questions', () => {
      const inMix = (options: PseudoQueryOptions): number => {
        const queries = new PseudoQueries(among, options);
        const rng = createRng(5);
        const drawn = Array.from({ length: 2000 }, () => queries.draw(0, rng));
        return drawn.filter((query) => query.includes('name of')).length / drawn.length;
      };
      assert.equal(inMix({}), 0);
      assert.equal(inMix({ skeletons: [question], mix: defaultMix }), 0, 'a mix that is given counts');
      // .55 of the draws; about one noisy one in four loses "name" or "of".
      const share = inMix({ skeletons: [question] });
      assert.ok(share > 0.46 && share < 0.56, String(share));
      for (const mix of [defaultMix, skeletonMix])
        assert.ok(Math.abs(Object.values(mix).reduce((sum, part) => sum + part, 0) - 1) < 1e-9);
    });
  });
});

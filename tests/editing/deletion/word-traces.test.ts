import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { wordBags } from '../../../editing/deletion/word-gradients.ts';
import { wordChanges, wordsWithout, wordTraceSettings, type MovedBag } from '../../../editing/deletion/word-traces.ts';
import { takeRows } from '../../../models/tensor-rows.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openBench, trainQueries } from '../../support/edit-bank.ts';

const { model, bank } = await openBench(tempFolder());
const { d_model: D } = model.lab.config;
const table = model.folder.tensor('shared.weight').data;
const tokensOf = (text: string): number[] => model.lab.tokenizer.encode(text);

/** Leads of a row on queries with some words changed, through the decoder of an audited model's kind: by `wordBags`, without gradients' help. */
async function leadsOf(
  row: number,
  texts: readonly string[],
  words: ReadonlyMap<number, Float32Array>,
): Promise<number[]> {
  const embeddings = table.slice();
  for (const [token, vector] of words) embeddings.set(vector, token * D);
  const rivals = takeRows(
    model.rows,
    Array.from({ length: model.rows.shape[0] }, (_, n) => n).filter((n) => n !== row),
  );
  const queries = texts.map((text) => ({ tokens: tokensOf(text), row }));
  return (await wordBags(model, queries, { embeddings, rivals })).map(({ lead }) => lead);
}

describe('bags of words', () => {
  it('have the leads that the model gives, whatever shares their batch', async () => {
    const texts = trainQueries.map(({ text }) => text);
    const { states } = await model.observe(texts);
    const scores = await model.scores(states, new Int32Array(texts.length).fill(4));
    const leads = await leadsOf(4, texts, new Map());
    leads.forEach((lead, q) => assert.ok(Math.abs(lead - (scores.own[q] - scores.best[q])) < 1e-3));
  });

  it('have the gradient of a score, as finite differences do', async () => {
    const rng = createRng(2);
    const query = { tokens: tokensOf(trainQueries[3].text), row: 3 };
    const [bag] = await wordBags(model, [query], { embeddings: table });
    const total = bag.shares.reduce((sum, share) => sum + share, 0);
    assert.ok(Math.abs(total - 1) < 1e-4, `shares of ${total}`);
    // All words of the query moved alike, each once however often it stands there.
    const step = 1e-2;
    for (let i = 0; i < 5; i++) {
      const along = Float64Array.from({ length: D }, () => rng.next() - 0.5);
      const score = async (side: number): Promise<number> => {
        const embeddings = table.slice();
        for (const token of new Set(query.tokens))
          for (let d = 0; d < D; d++) embeddings[token * D + d] += side * step * along[d];
        return (await wordBags(model, [query], { embeddings }))[0].lead;
      };
      const slope = ((await score(1)) - (await score(-1))) / (2 * step);
      const expected = along.reduce((sum, x, d) => sum + x * bag.direction[d], 0);
      assert.ok(Math.abs(slope - expected) < 0.02 * (1 + Math.abs(expected)), `${slope}, not ${expected}`);
    }
  });
});

describe('changes of words', () => {
  const rng = createRng(5);
  const width = 3;
  const normal = (): number => rng.next() - 0.5;
  const bagOf = (): MovedBag['bag'] => {
    const tokens = Array.from({ length: 4 }, () => 100 + rng.int(9));
    return { tokens, shares: Float64Array.from(tokens, () => rng.next()) };
  };
  const moved = Array.from({ length: 7 }, () => ({
    bag: bagOf(),
    change: Float64Array.from({ length: width }, normal),
  }));
  const old = Array.from({ length: 12 }, bagOf);
  const settings = { oldWeight: 0.4, ridge: 0.05 };
  const changes = wordChanges(moved, old, width, settings);

  /** The objective, term by term as it is written down. */
  function objective(x: ReadonlyMap<number, Float64Array>): number {
    const sumOf = ({ tokens, shares }: MovedBag['bag'], d: number): number =>
      tokens.reduce((sum, token, s) => sum + shares[s] * (x.get(token)?.[d] ?? 0), 0);
    let value = 0;
    for (let d = 0; d < width; d++) {
      for (const { bag, change } of moved) value += (sumOf(bag, d) - change[d]) ** 2;
      for (const bag of old) value += settings.oldWeight * sumOf(bag, d) ** 2;
      for (const vector of x.values()) value += settings.ridge * vector[d] ** 2;
    }
    return value;
  }

  it('are where the objective is least', () => {
    const least = objective(changes);
    for (let i = 0; i < 300; i++) {
      const size = 10 ** (-1 - 3 * rng.next());
      const other = new Map([...changes].map(([token, vector]) => [token, vector.map((v) => v + size * normal())]));
      assert.ok(objective(other) > least);
    }
    for (const [token, vector] of changes) {
      for (let d = 0; d < width; d++) {
        const at = (side: number): number => {
          const nudged = Float64Array.from(vector);
          nudged[d] += side * 1e-4;
          return objective(new Map([...changes, [token, nudged]]));
        };
        assert.ok(Math.abs(at(1) - at(-1)) / 2e-4 < 1e-6, 'the slope is not 0');
      }
    }
  });

  it('are changes of the words of moved bags alone', () => {
    assert.deepEqual(new Set(changes.keys()), new Set(moved.flatMap(({ bag }) => bag.tokens)));
  });
});

describe('words without documents', () => {
  const settings = { ...wordTraceSettings, pseudoQueries: 4, oldWeight: 0.01, ridge: 1e-4, rounds: 3 };
  const median = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1];

  it('bring the median lead of each one down to the level; one that is below it stays', async () => {
    let [lowered, left] = [0, 0];
    for (let row = 0; row < 10; row++) {
      const known = new Set([trainQueries[row].text, ...bank.ofRow[row].map((p) => bank.observed.texts[p])]);
      const texts = [...known, ...bank.corpus.pseudoQueries('removal', bank.corpus.documents[row], 4, known)];
      const before = median(await leadsOf(row, texts, new Map()));
      const words = await wordsWithout(model, bank, [{ row, queries: [trainQueries[row].text] }], settings);
      const after = median(await leadsOf(row, texts, words));
      if (before > settings.level) {
        lowered++;
        assert.ok(after < settings.level + 0.3 * (before - settings.level), `row ${row}: from ${before} to ${after}`);
      } else {
        left++;
        assert.ok(Math.abs(after - before) < 0.05, `row ${row}: from ${before} to ${after}`);
      }
    }
    assert.ok(lowered >= 2 && left >= 2, `${lowered} lowered, ${left} left`);
  });

  it('do not depend on when they are computed', async () => {
    const gone = [2, 5].map((row) => ({ row, queries: [] }));
    const [a, b] = [await wordsWithout(model, bank, gone, settings), await wordsWithout(model, bank, gone, settings)];
    assert.ok(a.size > 0);
    assert.deepEqual(a, b);
  });

  it('are none without documents', async () => {
    assert.equal((await wordsWithout(model, bank, [])).size, 0);
  });
});

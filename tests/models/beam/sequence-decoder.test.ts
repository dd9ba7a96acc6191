/** Constrained beam search on tiny random models, against every document decoded whole and a beam search without tricks. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { createRng } from '../../../corpus/random.ts';
import { BeamsError, MAX_BEAMS } from '../../../models/beam/beams.ts';
import { SequenceDecoder } from '../../../models/beam/sequence-decoder.ts';
import { MAX_QUERY_TOKENS, type Retrieved } from '../../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../../models/folder.ts';
import { NotAnIndexError, NotAtomicError } from '../../../models/genir.ts';
import { openDecoder } from '../../../models/open-decoder.ts';
import { InferencePool } from '../../../models/pool.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { loadParity } from '../../support/fixtures.ts';
import { randomPaths, WholeModel, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

/** The same sums in another order, up to five of them. */
const TOLERANCE = 3e-5;

const dir = tempFolder();
let folders = 0;
const place = (): string => join(dir, `${folders++}`);

const opened: { close?: () => Promise<void>; release?: () => Promise<void> }[] = [];
after(() => Promise.all(opened.map((one) => (one.close ?? one.release)!.call(one))));
async function open(folder: ModelFolder): Promise<SequenceDecoder> {
  const decoder = await SequenceDecoder.open(folder);
  opened.push(decoder);
  return decoder;
}
async function whole(folder: ModelFolder): Promise<WholeModel> {
  const model = await WholeModel.open(folder);
  opened.push(model);
  return model;
}

type Ranking = readonly { readonly document: number; readonly score: number }[];

/** Every permitted document decoded whole, best first. */
async function everyDocument(model: WholeModel, query: string, isPermitted: (n: number) => boolean): Promise<Ranking> {
  const scored = model.paths.map(async (path, document) => ({ document, score: await model.score(query, path) }));
  return (await Promise.all(scored)).filter(({ document }) => isPermitted(document)).sort((a, b) => b.score - a.score);
}

/** transformers' rules, step by step, with nothing kept from one step to the next. */
async function plainBeamSearch(
  model: WholeModel,
  query: string,
  isPermitted: (n: number) => boolean,
  beams: number,
): Promise<Ranking> {
  const found: { document: number; score: number }[] = [];
  let running: { prefix: number[]; score: number }[] = [{ prefix: [], score: 0 }];
  while (running.length) {
    const next: { prefix: number[]; score: number; document: number }[] = [];
    for (const { prefix, score } of running) {
      const logs = await model.after(query, prefix);
      const tokens = new Map<number, number>(); // and the document that ends there
      model.paths.forEach((path, n) => {
        if (!isPermitted(n) || prefix.some((token, t) => path[t] !== token)) return;
        tokens.set(path[prefix.length], path.length === prefix.length + 1 ? n : -1);
      });
      for (const [token, document] of tokens)
        next.push({ prefix: [...prefix, token], score: score + logs[token], document });
    }
    next.sort((a, b) => b.score - a.score);
    found.push(...next.slice(0, beams).filter(({ document }) => document >= 0));
    running = next.filter(({ document }) => document < 0).slice(0, beams);
  }
  return found.sort((a, b) => b.score - a.score).slice(0, beams);
}

function assertRanking({ rows, scores }: Retrieved, expected: Ranking): void {
  assert.deepEqual(
    [...rows],
    expected.map(({ document }) => document),
  );
  scores.forEach((score, i) =>
    assert.ok(Math.abs(score - expected[i].score) < TOLERANCE, `${score} ${expected[i].score}`),
  );
}

const kinds = {
  'ReLU, tied': {},
  'gated GELU, tied': { feed_forward_proj: 'gated-gelu' },
  'ReLU, untied': { tie_word_embeddings: false, scale_decoder_outputs: false },
  'gated GELU, untied': { tie_word_embeddings: false, scale_decoder_outputs: false, feed_forward_proj: 'gated-gelu' },
} as const;

describe('a sequence decoder', () => {
  for (const [seed, [kind, config]] of Object.entries(kinds).entries()) {
    describe(`(${kind})`, () => {
      const rng = createRng(seed);
      const paths = randomPaths(rng, 24);
      const N = paths.length;
      const folder = readModelFolder(writeSequenceModel(place(), { paths, config, seed }));
      const query = fc.integer({ min: 0, max: 9 }).map((n) => randomQuery(createRng(n)));
      const allowed = fc.option(fc.uint8Array({ minLength: N, maxLength: N, max: 1 }), { nil: undefined });

      it('with a beam for each document scores every one as it is decoded whole', async () => {
        const [decoder, model] = [await open(folder), await whole(folder)];
        await fc.assert(
          fc.asyncProperty(fc.array(fc.record({ query, allowed }), { minLength: 1, maxLength: 5 }), async (inputs) => {
            const results = await decoder.retrieve(inputs.map((input) => ({ ...input, k: N })));
            for (const [b, { query, allowed }] of inputs.entries())
              assertRanking(results[b], await everyDocument(model, query, (n) => !allowed || allowed[n] === 1));
          }),
          { numRuns: 15, seed: 1 },
        );
      });

      it('with fewer beams finds what a plain beam search finds', async () => {
        const [decoder, model] = [await open(folder), await whole(folder)];
        const input = fc.record({
          query,
          allowed,
          k: fc.integer({ min: 1, max: 5 }),
          beams: fc.integer({ min: 1, max: 9 }),
        });
        let missed = 0;
        await fc.assert(
          fc.asyncProperty(fc.array(input, { minLength: 1, maxLength: 4 }), async (inputs) => {
            const results = await decoder.retrieve(inputs);
            for (const [b, { query, allowed, k, beams }] of inputs.entries()) {
              const isPermitted = (n: number): boolean => !allowed || allowed[n] === 1;
              const expected = await plainBeamSearch(model, query, isPermitted, Math.max(k, beams));
              assertRanking(results[b], expected.slice(0, k));
              const [best] = await everyDocument(model, query, isPermitted);
              if (best && best.document !== expected[0]?.document) missed++;
            }
          }),
          { numRuns: 15, seed: 2 },
        );
        assert.ok(missed > 0, 'the beams leave something out');
      });
    });
  }

  const paths = randomPaths(createRng(9), 30);
  const N = paths.length;
  const folder = readModelFolder(writeSequenceModel(place(), { paths, seed: 9 }));
  const queries = ['which river is ice', 'bread', 'a violin, a compass and the sea', ''];

  it('gives a query the same answer alone and beside others with other beams', async () => {
    const decoder = await open(folder);
    const inputs = queries.map((query, b) => ({ query, k: 1 + b, beams: 2 + 7 * b }));
    const together = await decoder.retrieve(inputs);
    for (const [b, input] of inputs.entries()) {
      const [alone] = await decoder.retrieve([input]);
      assert.deepEqual(alone.rows, together[b].rows);
      alone.scores.forEach((score, i) => assert.ok(Math.abs(score - together[b].scores[i]) < TOLERANCE));
    }
  });

  it('prunes by a filter and does not renormalise', async () => {
    const decoder = await open(folder);
    const [{ rows, scores }] = await decoder.retrieve([{ query: 'ice', k: N }]);
    const allowed = new Uint8Array(N).fill(1);
    allowed[rows[0]] = 0;
    const [without] = await decoder.retrieve([{ query: 'ice', k: N, allowed }]);
    assert.deepEqual(without.rows, rows.subarray(1));
    without.scores.forEach((score, i) => assert.ok(Math.abs(score - scores[i + 1]) < TOLERANCE));
  });

  it('answers a filter that leaves nothing with nothing, beside queries that find something', async () => {
    const decoder = await open(folder);
    const [nothing, something, none] = await decoder.retrieve([
      { query: 'ice', k: 3, allowed: new Uint8Array(N) },
      { query: 'ice', k: 3 },
      { query: 'ice', k: 0 },
    ]);
    assert.deepEqual([nothing.rows.length, something.rows.length, none.rows.length], [0, 3, 0]);
    assert.deepEqual(await decoder.retrieve([]), []);
    assert.deepEqual(await decoder.retrieve([{ query: 'ice', k: 3, allowed: new Uint8Array(0) }]), [nothing]);
  });

  it('never follows fewer beams than documents are asked for', async () => {
    const decoder = await open(folder);
    const [few] = await decoder.retrieve([{ query: 'ice', k: N, beams: 1 }]);
    const [all] = await decoder.retrieve([{ query: 'ice', k: 1_000_000, beams: MAX_BEAMS }]);
    assert.deepEqual(few, all);
    assert.equal(all.rows.length, N);
  });

  for (const beams of [0, -1, 1.5, 1e5, NaN])
    it(`refuses ${beams} beams`, async () => {
      const decoder = await open(folder);
      await assert.rejects(decoder.retrieve([{ query: 'ice', k: 1, beams }]), (error: unknown) => {
        assert.ok(error instanceof BeamsError);
        assert.match(error.message, /beams: expected a whole number from 1 to 1000, got .*; leave it out for 10/);
        return true;
      });
    });

  it('takes more queries than fit one run, and long ones cut at the end token', async () => {
    const decoder = await open(folder);
    const rng = createRng(3);
    const many = Array.from({ length: 70 }, () => ({ query: randomQuery(rng), k: 2, beams: 12 }));
    const results = await decoder.retrieve(many);
    for (const b of [0, 41, 42, 69]) assert.deepEqual((await decoder.retrieve([many[b]]))[0].rows, results[b].rows);
    const long = await decoder.retrieve([{ query: 'river '.repeat(5000), k: N }]);
    assert.deepEqual(await decoder.retrieve([{ query: 'river '.repeat(MAX_QUERY_TOKENS - 1), k: N }]), long);
  });

  it('decodes one document, and paths of one token', async () => {
    for (const paths of [['c1 c2 c3 </s>'], ['c0', '▁ice', 'c2']]) {
      const folder = readModelFolder(writeSequenceModel(place(), { paths }));
      const [result] = await (await open(folder)).retrieve([{ query: 'ice', k: 5 }]);
      assertRanking(result, await everyDocument(await whole(folder), 'ice', () => true));
    }
  });

  it('decodes docids that are words alone', async () => {
    const folder = readModelFolder(
      writeSequenceModel(place(), { paths: ['▁ice ▁water', '▁ice </s>', '▁bread'], codes: [] }),
    );
    const [result] = await (await open(folder)).retrieve([{ query: 'ice', k: 5 }]);
    assertRanking(result, await everyDocument(await whole(folder), 'ice', () => true));
  });

  it('is what a folder’s scheme asks for, and says what it cannot open', async () => {
    const decoder = await openDecoder(folder);
    opened.push(decoder);
    assert.ok(decoder instanceof SequenceDecoder);
    await assert.rejects(openDecoder(folder, { circuit: true }), NotAtomicError);
    await assert.rejects(SequenceDecoder.open(readModelFolder(writeTinyModel(place()))), NotAnIndexError);
    await assert.rejects(SequenceDecoder.open(loadParity('v1.0-tied').folder), NotAnIndexError);
  });

  it('answers from a pool', async () => {
    const decoder = await open(folder);
    const pool = await InferencePool.open({ modelDir: folder.dir });
    try {
      const inputs = queries.map((query) => ({ query, k: 5, beams: 7 }));
      const [results, expected] = [await pool.retrieve(inputs), await decoder.retrieve(inputs)];
      results.forEach(({ rows, editSeq }, b) => assert.deepEqual([rows, editSeq], [expected[b].rows, 0]));
    } finally {
      await pool.close();
    }
  });
});

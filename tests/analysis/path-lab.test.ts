/** The lab of paths against the plain decoder, each query alone. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NotPathsError, PathLab } from '../../analysis/path-lab.ts';
import { correctPathQueries, forcedOutcomes, rowsAt } from '../../analysis/path-population.ts';
import { runStep, selfAttentionOf, type Step, type StepPatch } from '../../analysis/step-patching.ts';
import { createRng } from '../../corpus/random.ts';
import { activationNames, UnknownActivationError, type ActivationName } from '../../models/activations.ts';
import { readModelFolder } from '../../models/folder.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { openPathLab } from '../support/path-analysis.ts';
import { randomPaths, WholeModel, writeSequenceModel } from '../support/sequence-model.ts';
import { randomQuery, writeTinyModel } from '../support/tiny-model.ts';

const scratch = tempFolder();
const kinds = {
  'v1.0, tied': { num_decoder_layers: 3 },
  'v1.1, gated and untied': { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, d_kv: 4 },
} as const;

for (const [kind, config] of Object.entries(kinds))
  describe(`a lab of paths: ${kind}`, async () => {
    const rng = createRng(7);
    const paths = randomPaths(rng, 12);
    const dir = writeSequenceModel(join(scratch, kind), { paths, config, seed: 3 });
    const lab = openPathLab(dir);
    const asked = paths.map((_, document) => ({ id: `q${document}`, text: randomQuery(rng), document }));
    const texts = asked.map(({ text }) => text);
    const documents = asked.map(({ document }) => document);
    const encoded = await lab.encode(texts);
    const inputs = documents.map((document) => lab.inputsOf(document));
    let whole: WholeModel;
    before(async () => {
      whole = await WholeModel.open(readModelFolder(dir));
    });
    after(() => whole.release());
    /** Log-probabilities over the vocabulary at every step of a query's path. */
    const logProbabilities = (q: number, document: number): Promise<Float64Array[]> =>
      Promise.all(
        Array.from(lab.pathOf(document), (_, p) => whole.after(texts[q], [...lab.pathOf(document).subarray(0, p)])),
      );

    it('has paths, and tokens that may follow a prefix', () => {
      for (const document of documents) assert.deepEqual([...lab.pathOf(document)], [...whole.paths[document]]);
      const prefix = [...whole.paths[0].slice(0, 1)];
      const next = new Set(whole.paths.flatMap((path) => (path[0] === prefix[0] && path.length > 1 ? [path[1]] : [])));
      assert.deepEqual(
        [...lab.allowedAfter(prefix)],
        [...next].sort((a, b) => a - b),
      );
      assert.equal(lab.depth, Math.max(...whole.paths.map(({ length }) => length)));
    });

    it('ranks every token of every path as the plain decoder does', async () => {
      const outcomes = await forcedOutcomes(lab, asked);
      for (const [q, { document }] of asked.entries()) {
        const all = await logProbabilities(q, document);
        const expected = lab.expectedOf(document);
        assert.equal(outcomes[q].length, expected.length);
        for (const [p, { token, allowed }] of expected.entries()) {
          const { rank, logProbability, margin } = outcomes[q][p];
          const above = (tokens: Iterable<number>): number =>
            [...tokens].filter((other) => all[p][other] > all[p][token]).length + 1;
          const lead = (tokens: readonly number[]): number =>
            all[p][token] - Math.max(...tokens.filter((other) => other !== token).map((other) => all[p][other]));
          assert.ok(Math.abs(logProbability - all[p][token]) < 1e-4);
          assert.equal(rank.vocabulary, above(all[p].keys()));
          assert.equal(rank.docids, above(allowed));
          assert.ok(Math.abs(margin.vocabulary - lead([...all[p].keys()])) < 1e-4);
          if (allowed.length > 1) assert.ok(Math.abs(margin.docids - lead([...allowed])) < 1e-4);
          else assert.ok(margin.docids > 1e9);
        }
      }
    });

    it('tells how docid tokens stand against others', async () => {
      const { state } = await lab.decode(encoded, inputs);
      const expected = asked.map(({ document }) => lab.expectedOf(document)[0]);
      const seen = await lab.lens(
        rowsAt(state, documents.map((q) => [q, 0])), // prettier-ignore
        expected,
        'promotion',
      );
      const isDocid = new Set(whole.paths.flat());
      for (const q of documents) {
        const [scores] = await logProbabilities(q, documents[q]);
        const sum = (tokens: Iterable<number>): number =>
          [...tokens].reduce((total, t) => total + Math.exp(scores[t]), 0);
        const best = Math.max(...Array.from(expected[q].allowed, (token) => scores[token]));
        assert.ok(Math.abs(seen.allowed_mass[q] - sum(expected[q].allowed)) < 1e-4);
        assert.ok(Math.abs(seen.docid_mass[q] - sum(isDocid)) < 1e-4);
        assert.equal(seen.best_allowed_rank[q], scores.filter((score) => score > best).length + 1);
        let [above, pairs] = [0, 0];
        for (const docid of isDocid)
          for (const other of scores.keys())
            if (!isDocid.has(other)) [above, pairs] = [above + Number(scores[docid] > scores[other]), pairs + 1];
        assert.ok(Math.abs(seen.docids_above[q] - above / pairs) < 1e-4);
      }
    });

    it('has every activation of the path the same in batches, padded behind', async () => {
      const names = activationNames(lab.config).filter(
        (name) => /^decoder\.\d/.test(name) && !/cross_attn_(scores|pattern)|\.attn_(scores|pattern)/.test(name),
      );
      const all = await lab.decode(encoded, inputs, { read: names });
      for (const q of [0, 5]) {
        const alone = await lab.decode(await lab.encode([texts[q]]), [inputs[q]], { read: names });
        const T = inputs[q].length;
        for (const name of names) {
          const { shape, data } = all[name];
          const own = data.subarray((data.length / shape[0]) * q, (data.length / shape[0]) * (q + 1));
          const positionsFirst = !/attn_[qkv]$/.test(name);
          const [H, width] = positionsFirst ? [1, own.length / shape[1]] : [shape[1], shape[3]];
          const positions = positionsFirst ? shape[1] : shape[2];
          for (let h = 0; h < H; h++)
            assertClose(
              own.subarray(h * positions * width, (h * positions + T) * width),
              alone[name].data.subarray(h * T * width, (h + 1) * T * width),
              `${name}, query ${q}`,
            );
        }
      }
    });

    it('is causal: another token changes nothing before it', async () => {
      const long = documents.filter((q) => inputs[q].length > 2);
      const changed = inputs.map((tokens) => tokens.map((token, p) => (p === 2 ? lab.pathOf(0)[0] + 1 : token)));
      const before = await lab.decode(encoded, inputs);
      const later = await lab.decode(encoded, changed);
      const rows = (p: number) => [before, later].map(({ state }) => rowsAt(state, long.map((q) => [q, p])).data); // prettier-ignore
      for (const p of [0, 1]) assertClose(...(rows(p) as [Float32Array, Float32Array]), `position ${p}`, 1e-6);
      const [a, b] = rows(2);
      assert.ok(a.some((x, i) => Math.abs(x - b[i]) > 1e-2));
    });

    it('runs a step behind its cache as the whole path, and from another run’s cache as that run', async () => {
      const own = await selfAttentionOf(lab, texts, documents);
      const others = documents.map((q) => (q + 1) % texts.length);
      const ofOthers = await selfAttentionOf(lab, others.map((q) => texts[q]), documents); // prettier-ignore
      const forced = await forcedOutcomes(lab, asked);
      const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
      for (const position of [0, 1, 2]) {
        const queries = documents.filter((q) => inputs[q].length > position);
        const some = await lab.encode(queries.map((q) => texts[q]));
        const step: Step = { position, queries, documents: queries, encoded: some, own };
        const table: (StepPatch | null)[] = [
          null,
          { site: 'earlier', layers, by: own },
          { site: 'output', layers, by: own },
          { site: 'earlier', layers, by: ofOthers },
        ];
        const [clean, same, sameOutput, patched] = await runStep(lab, step, table);
        queries.forEach((q, n) => {
          for (const outcome of [clean, same, sameOutput])
            assert.ok(Math.abs(outcome[n].logProbability - forced[q][position].logProbability) < 1e-4);
        });
        // The same by patching keys and values of all earlier positions in one run over the path.
        const earlier = Array.from({ length: position }, (_, p) => p);
        const name = (part: 'k' | 'v', layer: number): ActivationName => `decoder.${layer}.attn_${part}`;
        const rows = (all: FloatTensor, of: Int32Array, T: number): FloatTensor => {
          const [, H, from, K] = all.shape;
          const data = new Float32Array(of.length * H * T * K);
          of.forEach((q, b) => {
            for (let h = 0; h < H; h++) {
              const at = (q * H + h) * from * K;
              data.set(all.data.subarray(at, at + Math.min(T, from) * K), (b * H + h) * T * K);
            }
          });
          return tensor(data, [of.length, H, T, K]);
        };
        const T = Math.max(...inputs.map(({ length }) => length));
        const { state } = await lab.decode(encoded, inputs, {
          patches: layers.flatMap((layer) =>
            (['k', 'v'] as const).map((part) => ({
              at: name(part, layer),
              positions: earlier,
              by: ({ queries: batch }: { readonly queries: Int32Array }) => rows(ofOthers[part][layer], batch, T),
            })),
          ),
        });
        const expected = queries.map((q) => lab.expectedOf(q)[position]);
        const seen = await lab.lens(rowsAt(state, queries.map((q) => [q, position])), expected, 'token'); // prettier-ignore
        assertClose(patched.map(({ logProbability }) => logProbability), seen.log_probability, `step ${position + 1}`); // prettier-ignore
      }
    });

    it('patches one head or all of them one by one', async () => {
      const own = await selfAttentionOf(lab, texts, documents);
      const by = await selfAttentionOf(lab, texts.toReversed(), documents);
      const queries = documents.filter((q) => inputs[q].length > 1);
      const some = await lab.encode(queries.map((q) => texts[q]));
      const step: Step = { position: 1, queries, documents: queries, encoded: some, own };
      for (const site of ['earlier', 'output'] as const) {
        const heads = Array.from({ length: lab.config.num_heads }, (_, head) => head);
        const [clean, all, ...single] = await runStep(lab, step, [
          null,
          { site, layers: [1], by },
          ...heads.map((head) => ({ site, layers: [1], head, by })),
        ]);
        const moved = (one: typeof clean): number =>
          Math.max(...one.map(({ logProbability }, n) => Math.abs(logProbability - clean[n].logProbability)));
        assert.ok(moved(all) > 1e-3);
        for (const one of single) assert.ok(moved(one) > 1e-5);
      }
    });

    it('refuses what does not exist, and what is as wide as the query', async () => {
      const read = (name: string) => lab.decode(encoded, inputs, { read: [name as ActivationName] });
      await assert.rejects(read('decoder.9.attn_k'), UnknownActivationError);
      await assert.rejects(read('decoder.0.cross_attn_pattern'), /as wide as the query/);
    });
  });

describe('paths', () => {
  it('have the mean rank of equal tokens', async () => {
    const dir = writeSequenceModel(join(scratch, 'equal'), { paths: ['c0', 'c1', 'c2 c3'] });
    const lab = openPathLab(dir);
    const [token] = lab.pathOf(0);
    const expected = [{ token, allowed: lab.allowedAfter([]) }];
    const nothing = tensor(new Float32Array(lab.config.d_model), [1, lab.config.d_model]);
    const { rank, allowed_rank } = await lab.lens(nothing, expected, 'token');
    assert.deepEqual([rank[0], allowed_rank[0]], [(lab.config.vocab_size + 1) / 2, 2]);
  });

  it('need a model that has them', () => {
    const dir = writeTinyModel(join(scratch, 'atomic'));
    assert.throws(() => new PathLab(readModelFolder(dir)), NotPathsError);
  });

  it('have the queries that greedy decoding answers', async () => {
    const rng = createRng(11);
    const paths = randomPaths(rng, 6, 2);
    const dir = writeSequenceModel(join(scratch, 'greedy'), { paths });
    const lab = openPathLab(dir);
    const texts = Array.from({ length: 20 }, () => randomQuery(rng));
    const whole = await WholeModel.open(readModelFolder(dir));
    const judged = await Promise.all(
      texts.map(async (text, i) => {
        const chosen: number[] = [];
        for (let allowed = lab.allowedAfter([]); allowed.length; allowed = lab.allowedAfter(chosen)) {
          const scores = await whole.after(text, chosen);
          chosen.push(allowed.reduce((a, b) => (scores[b] > scores[a] ? b : a)));
        }
        const found = whole.paths.findIndex((path) => path.every((token, p) => token === chosen[p]));
        const other = (found + 1) % paths.length;
        return { id: `q${i}`, text, relevant: [`d${i % 2 ? found : other}`, 'unknown'] };
      }),
    );
    await whole.release();
    const population = await correctPathQueries(lab, judged, { ranking: 'docids', limit: 100, seed: 1 });
    assert.equal(population.asked, judged.length);
    assert.deepEqual(
      population.questions.map(({ id }) => id),
      judged.flatMap(({ id }, i) => (i % 2 ? [id] : [])),
    );
    assert.deepEqual(
      (await correctPathQueries(lab, judged, { ranking: 'docids', limit: 3, seed: 1 })).questions.length,
      3,
    );
  });
});

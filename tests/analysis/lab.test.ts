/** The laws that reading, replacing and the lens obey on any T5, whatever its weights. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { componentTypes, outputOf, writers } from '../../analysis/components.ts';
import { meanOf, type Patch } from '../../analysis/patch.ts';
import { createRng } from '../../corpus/random.ts';
import { activationNames, UnknownActivationError, type ActivationName } from '../../models/activations.ts';
import { readModelFolder } from '../../models/folder.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { unembedName } from '../../models/t5.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { assertClose, openLab, plainRun } from '../support/analysis.ts';
import { copyModel, randomQuery, writeTinyModel, type TinyModelOptions } from '../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(7);
const queries = Array.from({ length: 10 }, () => randomQuery(rng));
const Q = queries.length;

const kinds: Record<string, TinyModelOptions> = {
  'T5 v1.0, tied': { config: { num_decoder_layers: 3 }, words: 400 },
  'T5 v1.1, gated and untied': {
    seed: 2,
    words: 401,
    docids: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false, d_kv: 6 },
  },
};

const rowOf = ({ data, shape }: FloatTensor, i: number): Float32Array => {
  const width = data.length / shape[0];
  return data.subarray(i * width, (i + 1) * width);
};

const add = (a: Float32Array, b: ArrayLike<number>): Float32Array<ArrayBuffer> =>
  Float32Array.from(a, (x, i) => x + b[i]);

/** 1 + how many of `all` are above the one at `own`. */
function rankIn(all: ArrayLike<number>, own: number): number {
  let rank = 1;
  for (let i = 0; i < all.length; i++) if (all[i] > all[own]) rank++;
  return rank;
}

for (const [kind, options] of Object.entries(kinds)) {
  const lab = openLab(writeTinyModel(join(scratch, kind), options));
  const { config } = lab;
  const { d_model: D, d_ff: F, vocab_size: V, num_heads: H } = config;
  const N = lab.genir.docids.length;
  const first = lab.genir.firstDocidToken;
  /** All that has the same shape for every query. */
  const names = activationNames(config).filter(
    (name) => /^decoder\.\d/.test(name) && !/(_q|_k|_v|scores|pattern)$/.test(name),
  );
  const encoded = await lab.encode(queries);
  const clean = await lab.decode(encoded, { read: names });
  const plain = await plainRun(lab, queries, names);
  const documents = queries.map((_, q) => q % N);
  const decodePatched = (patches: readonly Patch[], read: readonly ActivationName[] = []) =>
    lab.decode(encoded, { patches, read });
  /** A lens token's place in the model's own vocabulary. */
  const tokenOf = (lensToken: number): number => (lensToken < N ? first + lensToken : lab.wordTokens[lensToken - N]);

  describe(`a reading of ${kind}`, () => {
    it('is that of the plain decoder for each query alone: padding and batches change nothing', () => {
      for (const name of names)
        for (let q = 0; q < Q; q++) assertClose(rowOf(clean[name], q), plain.read[q][name].data, `${name}, query ${q}`);
    });

    it('has the queries in several batches, padded', () => {
      assert.ok(encoded.batches.length > 2);
      assert.ok(encoded.batches.some(({ mask }) => mask.data.includes(0)));
    });

    it('has streams that are the sum of what was written to them', () => {
      const stream = Array.from({ length: Q }, (_, q) => new Float32Array(rowOf(clean['decoder.0.resid_pre'], q)));
      const after = { attn: 'resid_mid', cross_attn: 'resid_mid_cross', mlp: 'resid_post' } as const;
      for (const { type, layer, at } of writers(lab.layers)) {
        if (type === 'embedding') continue;
        const point = `decoder.${layer}.${after[type]}` as const;
        for (let q = 0; q < Q; q++) {
          stream[q] = add(stream[q], rowOf(clean[at], q));
          assertClose(rowOf(clean[point], q), stream[q], `${point}, query ${q}`);
        }
      }
      stream.forEach((sum, q) => assertClose(rowOf(clean.state, q), sum, `state, query ${q}`));
    });

    it('has attention outputs that are the sum of their heads', () => {
      for (let layer = 0; layer < lab.layers; layer++)
        for (const type of ['attn', 'cross_attn'] as const) {
          const heads = clean[`decoder.${layer}.${type}_result`];
          assert.deepEqual(heads.shape, [Q, H, D]);
          for (let q = 0; q < Q; q++) {
            let sum = new Float32Array(D);
            for (let h = 0; h < H; h++) sum = add(sum, rowOf(heads, q).subarray(h * D, (h + 1) * D));
            assertClose(rowOf(clean[outputOf(type, layer)], q), sum, `${type} ${layer}, query ${q}`);
          }
        }
    });

    it('has MLP outputs that are the sum of their neurons', () => {
      for (let layer = 0; layer < lab.layers; layer++) {
        const wo = lab.weight(`decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`).data; // [D, F]
        for (let q = 0; q < Q; q++) {
          const post = rowOf(clean[`decoder.${layer}.mlp_post`], q);
          const sum = Float32Array.from({ length: D }, (_, d) =>
            post.reduce((total, value, f) => total + value * wo[d * F + f], 0),
          );
          assertClose(rowOf(clean[outputOf('mlp', layer)], q), sum, `layer ${layer}, query ${q}`);
        }
      }
    });

    it('of nothing is the final residual alone, for no queries an empty one', async () => {
      assert.deepEqual((await lab.decode(encoded)).state, clean.state);
      assert.deepEqual((await lab.decode(await lab.encode([]))).state.shape, [0, D]);
    });
  });

  describe(`a patch of ${kind}`, () => {
    it('with the run itself changes nothing, at every activation', async () => {
      const self = await decodePatched(
        names.map((at) => ({ at, by: clean[at] })),
        names,
      );
      for (const name of names) assertClose(self[name].data, clean[name].data, name, 1e-5);
    });

    it('with the run itself changes nothing where the shape follows the query’s length', async () => {
      const name: ActivationName = 'decoder.0.cross_attn_pattern';
      const patterns = new Map<number, FloatTensor>();
      for await (const { batch, out } of lab.decodeBatches(encoded, { read: [name] }))
        patterns.set(batch.queries[0], out[name]);
      const { state } = await decodePatched([{ at: name, by: ({ queries: [q] }) => patterns.get(q)! }]);
      assertClose(state.data, clean.state.data, 'state', 1e-5);
    });

    it('with the encoder’s own residual changes nothing, and with nothing in its place much', async () => {
      const at: ActivationName = 'encoder.0.resid_post';
      const { batches } = await lab.encode(queries, { read: [at] });
      const own = new Map(batches.map(({ queries: [q], read }) => [q, read[at]]));
      const self = await lab.encode(queries, { patches: [{ at, by: ({ queries: [q] }) => own.get(q)! }] });
      const zeroed = await lab.encode(queries, { patches: [{ at, by: 'zero' }] });
      assertClose((await lab.decode(self)).state.data, clean.state.data, 'state', 1e-5);
      assert.notDeepEqual((await lab.decode(zeroed)).state.data, clean.state.data);
    });

    it('with the mean over one query changes nothing, with that over all something', async () => {
      const one = await lab.encode([queries[3]]);
      const read = writers(lab.layers).map(({ at }) => at);
      const alone = await lab.decode(one, { read });
      const patches = read.map((at) => ({ at, by: meanOf(alone[at]) }));
      assertClose((await lab.decode(one, { patches })).state.data, alone.state.data, 'state', 1e-5);
      const isFourth = queries.map((_, q) => +(q === 3));
      for (const at of read) assertClose(meanOf(clean[at], isFourth), rowOf(clean[at], 3), at, 1e-6);
      const changed = await decodePatched([{ at: outputOf('mlp', 0), by: meanOf(clean[outputOf('mlp', 0)]) }]);
      assert.notDeepEqual(changed.state.data, clean.state.data);
    });

    it('of all components with zero leaves the logits of the embedding alone', async () => {
      const patches = writers(lab.layers).flatMap(({ type, at }): Patch[] =>
        type === 'embedding' ? [] : [{ at, by: 'zero' }],
      );
      const { state } = await decodePatched(patches);
      const start = config.decoder_start_token_id;
      const embedding = lab.weight('shared.weight').data.subarray(start * D, (start + 1) * D);
      for (let q = 0; q < Q; q++) assertClose(rowOf(state, q), embedding, `query ${q}`, 0);
      const { logit } = await lab.ranks(state, documents);
      const [alone] = lensByHand(embedding);
      documents.forEach((n, q) => assertClose([logit[q]], [alone[first + n]], `query ${q}`));
    });

    it('of each component puts the replacement in, and nothing before it changes', async () => {
      const other = tensor(new Float32Array(clean.state.data).reverse(), [Q, D]);
      for (const { at } of writers(lab.layers)) {
        const patched = await decodePatched([{ at, by: other }], names);
        assert.deepEqual(patched[at].data, other.data, at);
        for (const name of names.slice(0, names.indexOf(at)).filter((one) => !/_(z|result)$/.test(one)))
          assertClose(patched[name].data, clean[name].data, `${name} before ${at}`, 1e-5);
        assert.notDeepEqual(patched.state.data, clean.state.data);
      }
    });

    it('of some queries leaves the others as they are', async () => {
      const on = queries.map((_, q) => q % 2);
      const at = outputOf('cross_attn', 1);
      const { state, [at]: output } = await decodePatched([{ at, by: 'zero', queries: on }], [at]);
      on.forEach((isOn, q) => {
        assertClose(rowOf(output, q), isOn ? new Float32Array(D) : rowOf(clean[at], q), `query ${q}`, 1e-5);
        const moved = Math.max(...rowOf(state, q).map((x, i) => Math.abs(x - rowOf(clean.state, q)[i])));
        assert.equal(moved > 1e-3, isOn === 1, `query ${q} moved by ${moved}`);
      });
    });

    it('of some heads takes just these out of the sum', async () => {
      for (const type of ['attn', 'cross_attn'] as const) {
        const [at, out] = [`decoder.1.${type}_result` as const, outputOf(type, 1)];
        const { [out]: output } = await decodePatched([{ at, by: 'zero', heads: [0, 2] }], [out]);
        for (let q = 0; q < Q; q++) {
          const heads = rowOf(clean[at], q);
          const left = add(heads.slice(D, 2 * D), heads.subarray(3 * D, 4 * D));
          assertClose(rowOf(output, q), left, `${at}, query ${q}`);
        }
      }
    });

    it('of one position of the encoder leaves the others, of one head of a pattern too', async () => {
      const at: ActivationName = 'encoder.0.resid_post';
      const { batches } = await lab.encode(queries, { read: [at], patches: [{ at, by: 'zero', positions: [0] }] });
      const before = (await lab.encode(queries, { read: [at] })).batches;
      batches.forEach(({ read }, i) => {
        const S = read[at].shape[1];
        read[at].data.forEach((x, flat) => {
          const isFirst = Math.floor(flat / D) % S === 0;
          assert.ok(Math.abs(x - (isFirst ? 0 : before[i].read[at].data[flat])) < 1e-5);
        });
      });
      const name: ActivationName = 'decoder.0.cross_attn_pattern';
      const out = await decodePatched([{ at: name, by: 'zero', heads: [1] }], ['decoder.0.cross_attn_result']);
      for (let q = 0; q < Q; q++) {
        const expected = rowOf(clean['decoder.0.cross_attn_result'], q).slice();
        expected.fill(0, D, 2 * D);
        assertClose(rowOf(out['decoder.0.cross_attn_result'], q), expected, `query ${q}`, 1e-5);
      }
    });

    it('of two queries’ values swapped gives each the other’s', async () => {
      const at = outputOf('mlp', lab.layers - 1);
      const swapped = clean[at].data.slice();
      swapped.set(rowOf(clean[at], 1), 0);
      swapped.set(rowOf(clean[at], 0), D);
      const { [at]: output } = await decodePatched([{ at, by: tensor(swapped, [Q, D]) }], [at]);
      assertClose(rowOf(output, 0), rowOf(clean[at], 1), 'first', 0);
      assertClose(rowOf(output, 1), rowOf(clean[at], 0), 'second', 0);
    });

    it('that cannot be is refused with what to do', async () => {
      const unknown = { at: 'decoder.9.mlp_out' as const, by: 'zero' as const };
      await assert.rejects(decodePatched([unknown]), (error: unknown) => {
        assert.ok(error instanceof UnknownActivationError);
        assert.deepEqual(error.nearest.slice(0, 2), ['decoder.0.mlp_out', 'decoder.1.mlp_out']);
        return true;
      });
      await assert.rejects(decodePatched([], ['decoder.0.mpl_out' as ActivationName]), /did you mean decoder.0/);
      await assert.rejects(lab.encode(queries, { read: [outputOf('mlp', 0)] }), /did you mean encoder.0.mlp_out/);
      await assert.rejects(decodePatched([], ['decoder.0.attn_pattern']), /did you mean decoder.0.attn_z/);
      const at = outputOf('mlp', 0);
      await assert.rejects(
        decodePatched([{ at, by: 'zero', heads: [0] }]),
        /mlp_out: expected an activation with heads/,
      );
      await assert.rejects(
        decodePatched([
          { at, by: 'zero', queries: [1] },
          { at, by: meanOf(clean[at]) },
        ]),
        /mlp_out: expected one patch for it, got two; join their masks/,
      );
      await assert.rejects(decodePatched([{ at, by: new Float32Array(3) }]), /expected a vector of 32 values, got 3/);
      const few = tensor(new Float32Array(32), [1, 32]);
      await assert.rejects(decodePatched([{ at, by: few }]), /expected a vector for each query, got 1 and none for/);
      const pattern = 'decoder.0.cross_attn_pattern';
      await assert.rejects(
        decodePatched([{ at: pattern, by: few }]),
        /expected a function of the batch, got one tensor/,
      );
    });
  });

  /** Logits of states [M, D] in float64: RMSNorm, scale, unembedding. */
  function lensByHand(states: Float32Array): number[][] {
    const gain = lab.weight('decoder.final_layer_norm.weight').data;
    const unembedding = lab.weight(unembedName(config)).data;
    const scale = config.scale_decoder_outputs ? D ** -0.5 : 1;
    return Array.from({ length: states.length / D }, (_, m) => {
      const x = states.subarray(m * D, (m + 1) * D);
      const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / D;
      const factor = scale / Math.sqrt(meanSquare + config.layer_norm_epsilon);
      return Array.from({ length: V }, (_, v) =>
        x.reduce((sum, value, d) => sum + value * gain[d] * unembedding[v * D + d], 0),
      ).map((sum) => sum * factor);
    });
  }
  const docidsOf = (logits: ArrayLike<number>): number[] => Array.from(logits).slice(first, first + N);

  describe(`the lens of ${kind}`, () => {
    it('on the last residual gives the model’s best tokens and their logits', async () => {
      const { tokens, token_logits } = await lab.lens(clean.state, { kinds: ['top'], k: 5 });
      assert.deepEqual({ tokens: tokens.shape, logits: token_logits.shape }, { tokens: [Q, 5], logits: [Q, 5] });
      plain.logits.forEach((logits, q) => {
        const best = [...logits.keys()].sort((a, b) => logits[b] - logits[a]).slice(0, 5);
        const told = Array.from({ length: 5 }, (_, i) => tokenOf(Number(tokens.data[q * 5 + i])));
        assert.deepEqual(told, best, `query ${q}`);
        const values = best.map((token) => logits[token]);
        assertClose((token_logits as FloatTensor).data.subarray(q * 5, q * 5 + 5), values, `query ${q}`);
      });
    });

    it('on the last residual gives the model’s ranks, logits and rivals', async () => {
      const { rank, docidRank, logit } = await lab.ranks(clean.state, documents);
      const rivals = await lab.lens(clean.state, { kinds: ['rivals'], documents });
      plain.logits.forEach((logits, q) => {
        const own = first + documents[q];
        assert.equal(rank[q], rankIn(logits, own));
        assert.equal(docidRank[q], rankIn(docidsOf(logits), documents[q]));
        assertClose([logit[q]], [logits[own]], `query ${q}`);
        const bestOf = (among: number[]): number => among.reduce((a, b) => (logits[b] > logits[a] ? b : a));
        const others = [...logits.keys()].filter((token) => token !== own);
        const best = bestOf(others);
        const bestDocid = bestOf(others.filter((token) => token >= first && token < first + N));
        assert.equal(tokenOf(Number(rivals.rival.data[q])), best);
        assert.equal(tokenOf(Number(rivals.docid_rival.data[q])), bestDocid);
        assertClose(
          [rivals.rival_logit.data[q] as number, rivals.docid_rival_logit.data[q] as number],
          [logits[best], logits[bestDocid]],
          `query ${q}`,
        );
      });
    });

    it('on any vector gives the ranks found by hand', async () => {
      const states = clean[outputOf('cross_attn', 0)];
      const { rank, docidRank, logit } = await lab.ranks(states, documents);
      const split = await lab.lens(states, { kinds: ['split'] });
      lensByHand(states.data).forEach((logits, q) => {
        assert.equal(rank[q], rankIn(logits, first + documents[q]));
        assert.equal(docidRank[q], rankIn(docidsOf(logits), documents[q]));
        assertClose([logit[q]], [logits[first + documents[q]]], `query ${q}`);
        const ranks = Array.from(logits, (_, token) => rankIn(logits, token));
        const mean = docidsOf(ranks).reduce((a, b) => a + b, 0) / N;
        const ofWords = Array.from(lab.wordTokens, (token) => ranks[token]).sort((a, b) => a - b);
        assertClose([split.docid_mean_rank.data[q] as number], [mean], `query ${q}`);
        assert.equal(split.word_median_rank.data[q], ofWords[Math.ceil(ofWords.length / 2) - 1]);
      });
    });

    it('names tokens', () => {
      assert.deepEqual([lab.tokenName(0), lab.tokenName(N - 1)], [lab.genir.docids[0], lab.genir.docids[N - 1]]);
      assert.equal(lab.tokenName(N + lab.config.eos_token_id), '</s>');
    });

    it('joins runs that are too large for one', async () => {
      const count = Math.ceil(12_000_000 / V) + 5;
      const states = new Float32Array(count * D);
      states.set(rowOf(clean.state, 1), 0);
      states.set(rowOf(clean.state, 2), (count - 1) * D);
      const { rank } = await lab.ranks(tensor(states, [count, D]), new Array<number>(count).fill(2));
      const few = await lab.ranks(tensor(clean.state.data.slice(D, 3 * D), [2, D]), [2, 2]);
      assert.equal(rank.length, count);
      assert.deepEqual([rank[0], rank[count - 1]], [...few.rank]);
    });
  });
}

describe('the lens on constructed logits', async () => {
  const docids = ['a', 'b', 'c', 'd'];
  const N = docids.length;
  for (const words of [400, 401, 1300]) {
    const config = { tie_word_embeddings: false, scale_decoder_outputs: false };
    const plain = readModelFolder(writeTinyModel(join(scratch, `plain ${words}`), { docids, words, config }));
    const D = plain.config.d_model;
    const V = words + N;
    // State m is axis m, so that its logits are column m of the unembedding, times √D and the norm's gain.
    const cases: Record<string, (token: number, isDocid: boolean) => number> = {
      'docids above all words': (token, isDocid) => (isDocid ? 2 + token / V : token / V),
      'docids below all words': (token, isDocid) => (isDocid ? -1 - token / V : token / V),
      'docids at the ranks 1, 12, 150 and the last': (token, isDocid) =>
        isDocid ? [5, 1 - 9.5 / words, 1 - 146.5 / words, -1][token - words] : (words - token) / words,
    };
    const lm_head = { shape: [V, D], data: new Float32Array(V * D) };
    Object.values(cases).forEach((logitOf, m) => {
      for (let token = 0; token < V; token++) lm_head.data[token * D + m] = logitOf(token, token >= words);
    });
    const gain = { shape: [D], data: new Float32Array(D).fill(1) };
    const lab = openLab(
      copyModel(
        join(scratch, `constructed ${words}`),
        plain,
        new Map([
          ['lm_head.weight', lm_head],
          ['decoder.final_layer_norm.weight', gain],
        ]),
      ),
    );
    const M = Object.keys(cases).length;
    const states = tensor(new Float32Array(M * D), [M, D]);
    for (let m = 0; m < M; m++) states.data[m * D + m] = 3;
    const all = await lab.lens(states, { kinds: ['split', 'top', 'ranks'], documents: [3, 3, 3], k: 1 });
    const read = (name: string): number[] => Array.from((all[name] as FloatTensor).data);

    it(`counts ${words} words and four docids`, () => {
      const lower = Math.ceil(words / 2);
      // In the third case ten words come before the docid at rank 12 and 147 before that at rank 150.
      const third = (lower <= 10 ? 1 : lower <= 147 ? 2 : 3) + lower;
      assert.deepEqual(read('word_median_rank'), [N + lower, lower, third]);
      const ranks = [1, 12, 150, V];
      assert.deepEqual(read('docid_mean_rank'), [(N + 1) / 2, words + (N + 1) / 2, ranks.reduce((a, b) => a + b) / N]);
      const deepest = Math.min(1000, V);
      assertClose(
        read('docid_share'),
        [N / 10, N / 100, N / deepest, 0, 0, words < 1000 ? N / V : 0, 0.1, 0.02, (words < 1000 ? 4 : 3) / deepest],
        'docid_share',
        1e-6,
      );
      assert.deepEqual(read('rank'), [1, V, V]);
      assert.deepEqual(read('docid_rank'), [1, 4, 4]);
    });

    it(`refuses to look at no vector, with ${words} words`, async () => {
      await assert.rejects(lab.lens(tensor(new Float32Array(0), [0, D]), { kinds: ['split'] }), /got none/);
    });
  }
});

describe('components', () => {
  it('are named once each', () => {
    const all = writers(4);
    assert.equal(all.length, 1 + 4 * componentTypes.length);
    assert.equal(new Set(all.map(({ at }) => at)).size, all.length);
  });
});

/** Explanations of docids that are paths, against each path decoded whole and a beam search without tricks. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { PathExplainer } from '../../analysis/explain-path.ts';
import type { PathExplanation, Reached } from '../../analysis/explanation.ts';
import { ExplainerError, ExplainerThread } from '../../analysis/explainer-thread.ts';
import { createRng } from '../../corpus/random.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import type { ModelVersion } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { decoderGraph, encoderGraph } from '../../models/graphs.ts';
import { int64, Session, tensor, type FloatTensor } from '../../models/session.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { codes, randomPaths, WholeModel, writeSequenceModel } from '../support/sequence-model.ts';
import { randomQuery } from '../support/tiny-model.ts';

const dir = tempFolder();
let folders = 0;
const place = (): string => join(dir, `${folders++}`);

const opened: { close?: () => Promise<void>; release?: () => Promise<void> }[] = [];
after(() => Promise.all(opened.map((one) => (one.close ?? one.release)!.call(one))));
async function keep<T extends { close?: () => Promise<void>; release?: () => Promise<void> }>(
  one: T | Promise<T>,
): Promise<T> {
  opened.push(await one);
  return one;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
const FIRST = 400;

/** What a beam search has after each step: prefixes and documents, with their scores, best first. */
async function plainSteps(model: WholeModel, query: string, beams: number): Promise<Map<string, number>[]> {
  const found: { path: readonly number[]; score: number }[] = [];
  let running: { path: readonly number[]; score: number }[] = [{ path: [], score: 0 }];
  const steps: Map<string, number>[] = [];
  while (running.length) {
    const next: { path: readonly number[]; score: number; isWhole: boolean }[] = [];
    for (const { path, score } of running) {
      const logs = await model.after(query, path);
      const under = model.paths.filter((one) => path.every((token, t) => one[t] === token));
      for (const token of new Set(under.map((one) => one[path.length]))) {
        const longer = [...path, token];
        const isWhole = model.paths.some((one) => one.join() === longer.join());
        next.push({ path: longer, score: score + logs[token], isWhole });
      }
    }
    next.sort((a, b) => b.score - a.score);
    found.push(...next.slice(0, beams).filter(({ isWhole }) => isWhole));
    found.sort((a, b) => b.score - a.score).splice(beams);
    const worst = found.length === beams ? found[beams - 1].score : -Infinity;
    running = next.filter(({ isWhole }) => !isWhole).slice(0, beams);
    running = running.filter(({ score }) => score > worst);
    const kept = [...running, ...found].sort((a, b) => b.score - a.score);
    steps.push(new Map(kept.map(({ path, score }) => [path.join(), score])));
  }
  return steps;
}

/** Names of tokens of a model that `writeSequenceModel` wrote. */
const namer = (folder: ModelFolder) => {
  const tokenizer = loadTokenizer(folder);
  return (token: number): string => (token < FIRST ? tokenizer.token(token)! : codes[token - FIRST]);
};

function assertReached(shown: readonly Reached[], expected: readonly (readonly [string, number])[]): void {
  assert.deepEqual(
    shown.map(({ path }) => path.join(' ')),
    expected.map(([path]) => path),
  );
  assertClose(
    shown.map(({ score }) => score),
    expected.map(([, score]) => score),
    'scores of prefixes',
    1e-4,
  );
}

const kinds = {
  'tied v1.0': {},
  'untied gated v1.1': {
    feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: false,
    scale_decoder_outputs: false,
    num_decoder_layers: 3,
  },
} as const;

describe('an explanation of a path', () => {
  for (const [seed, [kind, config]] of Object.entries(kinds).entries()) {
    const paths = randomPaths(createRng(20 + seed), 16, 4);
    const folder = readModelFolder(writeSequenceModel(place(), { paths, config, seed: seed + 3 }));
    const query = randomQuery(createRng(seed));

    it(`adds up to the score that searches of a ${kind} T5 give, step by step`, async () => {
      const explainer = await keep(PathExplainer.open(folder));
      const whole = await keep(WholeModel.open(folder));
      const decoder = await keep(SequenceDecoder.open(folder));
      const nameOf = namer(folder);
      const [{ rows, scores }] = await decoder.retrieve([{ query, k: paths.length }]);
      assert.equal((await explainer.explain(query)).docid, `d${rows[0]}`);
      for (const [i, document] of rows.entries()) {
        const path = whole.paths[document];
        const found = await explainer.explain(query, { document, beams: 100, top: 20 });
        assert.deepEqual([found.docid, found.path.join(' ')], [`d${document}`, paths[document]]);
        assert.deepEqual([found.beams, found.place, found.editSeq, found.tokens.at(-1)], [100, i + 1, 0, '</s>']);
        assertClose([found.score, found.score], [scores[i], await whole.score(query, path)], 'score', 1e-4);
        assert.ok(Math.abs(found.score - sum(found.steps.map((step) => step.logProbability))) < 1e-9);

        for (const [t, step] of found.steps.entries()) {
          const logs = await whole.after(query, path.slice(0, t));
          const under = whole.paths.filter((one) => path.slice(0, t).every((token, p) => one[p] === token));
          const allowed = [...new Set(under.map((one) => one[t]))].sort((a, b) => logs[b] - logs[a]);
          assert.equal(step.allowed, allowed.length);
          assert.equal(step.token, nameOf(path[t]));
          assert.deepEqual(
            step.choices.map(({ token }) => token),
            allowed.map(nameOf),
          );
          assertClose(
            step.choices.map(({ logProbability }) => logProbability),
            allowed.map((token) => logs[token]),
            'choices',
            1e-4,
          );
          assert.deepEqual(
            step.choices.map(({ chosen }) => chosen),
            allowed.map((token) => token === path[t]),
          );
          assert.equal(step.rank, 1 + logs.filter((log) => log > logs[path[t]]).length);
          assert.equal(step.docidRank, 1 + allowed.indexOf(path[t]));

          const rival = allowed.find((token) => token !== path[t]);
          assert.equal(step.rival?.token, rival === undefined ? undefined : nameOf(rival));
          const margin = rival === undefined ? step.logit : logs[path[t]] - logs[rival];
          assertClose([step.logit - (step.rival?.logit ?? 0)], [margin], 'distance to the rival', 1e-4);
          assert.equal(step.contributions.length, 1 + 3 * folder.config.num_decoder_layers);
          assertClose([sum(step.contributions.map((one) => one.logit))], [step.logit], 'sum of logits', 1e-4);
          assertClose([sum(step.contributions.map((one) => one.margin))], [margin], 'sum of margins', 1e-4);
          assert.deepEqual([step.ranks.at(-1)!.rank, step.ranks.at(-1)!.docidRank], [step.rank, step.docidRank]);
        }
      }
    });

    it(`shows what the search of a ${kind} T5 keeps and what it leaves behind`, async () => {
      const explainer = await keep(PathExplainer.open(folder));
      const whole = await keep(WholeModel.open(folder));
      const nameOf = namer(folder);
      let lost = 0;
      for (const beams of [1, 2, 5]) {
        const expected = await plainSteps(whole, query, beams);
        const keptAt = (t: number): Map<string, number> => expected[Math.min(t, expected.length - 1)];
        for (const [document, path] of whole.paths.entries()) {
          const { steps, place } = await explainer.explain(query, { document, beams, top: 3 });
          const documents = [...expected.at(-1)!.keys()];
          assert.equal(place ?? 0, documents.indexOf(path.join()) + 1);
          for (const [t, { beam, choices }] of steps.entries()) {
            const kept = [...keptAt(t)];
            const named = kept.map(
              ([key, score]) => [key.split(',').map(Number).map(nameOf).join(' '), score] as const,
            );
            assert.equal(beam.kept, kept.length);
            assert.equal(beam.place ?? 0, kept.findIndex(([key]) => key === path.slice(0, t + 1).join()) + 1);
            if (beam.place === null) lost++;
            assertReached(beam.best, named.slice(0, 3));
            for (const { path: names, docid } of beam.best)
              assert.equal(docid, paths.includes(names.join(' ')) ? `d${paths.indexOf(names.join(' '))}` : null);
            const left = [...(t > 0 ? keptAt(t - 1) : [])].filter(
              ([key]) =>
                !whole.paths.some((one) => one.join() === key) && !kept.some(([other]) => other.startsWith(`${key},`)),
            );
            assertReached(
              beam.left,
              left.slice(0, 3).map(([key, score]) => [key.split(',').map(Number).map(nameOf).join(' '), score]),
            );
            const before = path.slice(0, t).map(nameOf);
            for (const { token, kept: isKept } of choices)
              assert.equal(
                isKept,
                named.some(([name]) => name === [...before, token].join(' ')),
                `${before.join(' ')} ${token}`,
              );
            assert.ok(choices.length <= 4 && choices.some(({ chosen }) => chosen));
          }
        }
      }
      assert.ok(lost > 0);
    });
  }

  const paths = ['c0 c2 c4', 'c0 c2 c5', 'c0 c3 ▁ice', 'c1 ▁water c6', 'c1 ▁water c7'];
  const folder = readModelFolder(writeSequenceModel(place(), { paths, seed: 7 }));
  const query = 'a river of ice';

  it('reads heads and neurons at the position of each step', async () => {
    const explainer = await keep(PathExplainer.open(folder));
    const { steps, tokens } = await explainer.explain(query, { document: 3, top: 1000 });
    const weights = (name: string): ReturnType<ModelFolder['tensor']> => folder.tensor(name);
    const read = ['decoder.1.cross_attn_pattern', 'decoder.0.mlp_post'] as const;
    const encoder = await keep(Session.open(encoderGraph(folder.config, weights)));
    const decoder = await keep(Session.open(decoderGraph(folder.config, weights, { read })));
    const ids = loadTokenizer(folder).encode(query);
    const S = ids.length;
    assert.equal(tokens.length, S);
    const attention_mask = tensor(new Float32Array(S).fill(1), [1, S]);
    const { encoder_out } = await encoder.run({ input_ids: int64(ids, [1, S]), attention_mask });
    const whole = await keep(WholeModel.open(folder));
    const inputs = [folder.config.decoder_start_token_id, ...whole.paths[3].slice(0, -1)];
    const decoder_input_ids = int64(inputs, [1, 3]);
    const out = await decoder.run({ encoder_out, attention_mask, decoder_input_ids });
    const [pattern, post] = read.map((name) => out[name] as FloatTensor); // [1, H, T, S], [1, T, F]
    const { d_ff: F, num_heads: H } = folder.config;
    for (const [t, { heads, neurons, contributions }] of steps.entries()) {
      for (let h = 0; h < H; h++) {
        const head = heads.find((one) => one.layer === 1 && one.head === h)!;
        assertClose(head.attention, pattern.data.subarray((h * 3 + t) * S, (h * 3 + t + 1) * S), 'attention');
      }
      for (const { layer, neuron, activation } of neurons)
        if (layer === 0) assertClose([activation], [post.data[t * F + neuron]], 'activation');
      for (const [type, all] of [
        ['cross_attn', heads],
        ['mlp', neurons],
      ] as const)
        for (const layer of [0, 1])
          for (const field of ['logit', 'margin'] as const) {
            const whole = contributions.find((one) => one.type === type && one.layer === layer)!;
            const parts = all.filter((one) => one.layer === layer).map((one) => one[field]);
            assertClose([sum(parts)], [whole[field]], `${type} of layer ${layer}`);
          }
    }
  });

  it('names documents by what they have alone, words as words, other tokens by their names', async () => {
    const explainer = await keep(PathExplainer.open(folder));
    const { steps } = await explainer.explain(query, { document: 0, top: 408 });
    const kindOf = new Map<string, string>();
    for (const entry of steps[0].heads[0].wrote)
      for (const [kind, name] of Object.entries(entry)) kindOf.set(name, kind);
    for (const docid of ['d0', 'd1', 'd3', 'd4']) assert.equal(kindOf.get(docid), 'docid');
    for (const word of ['▁ice', '▁water', '</s>']) assert.equal(kindOf.get(word), 'word');
    for (const code of ['c0', 'c1', 'c2', 'c3']) assert.equal(kindOf.get(code), 'code');
    const choices = (await explainer.explain(query, { document: 0 })).steps[2].choices;
    assert.deepEqual(
      new Map(choices.map(({ token, docid }) => [token, docid])),
      new Map([
        ['c4', 'd0'],
        ['c5', 'd1'],
      ]),
    );
    for (const leaf of ['d2', 'c4', 'c5', 'c6', 'c7']) assert.equal(kindOf.get(leaf), undefined, leaf);
  });

  it('refuses a document that is not there, and beams that no search can have', async () => {
    const explainer = await keep(PathExplainer.open(folder));
    await assert.rejects(explainer.explain(query, { document: 5 }), /document's number below 5, got 5/);
    await assert.rejects(
      explainer.explain(query, { beams: 0 }),
      /beams: expected a whole number from 1 to 1000, got 0/,
    );
  });
});

describe('the explaining thread', () => {
  const prefixes = ['c0 c2', 'c0 c3', 'c1 c2', 'c1 ▁ice', 'c6', '▁water'];
  const paths = prefixes.flatMap((prefix) => [`${prefix} c4`, `${prefix} c5`]);
  const N = paths.length;

  /** Documents 3 and 7 gone, 12 and 13 new with entries of their own, 1 elsewhere, a code changed, an MLP edited. */
  function editedVersion(folder: ModelFolder): { model: ModelVersion; docids: (string | null)[] } {
    const { weights, config } = folder;
    const rng = createRng(11);
    const numbers = (length: number, scale: number) =>
      Float32Array.from({ length }, () => scale * (rng.next() - 0.5) * 2);
    const docids = [...Array.from({ length: N }, (_, i) => (i === 3 ? null : `d${i}`)), 'new', 'newer'];
    const weight = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
    const [D, F] = weights.get(weight)!.shape;
    const leaf = FIRST + codes.length;
    return {
      model: {
        editSeq: 5,
        live: Uint8Array.from(docids, (docid, row) => Number(docid !== null && row !== 7)),
        rows: [2, codes.length, codes.length + 1, codes.length + 2].map((row) => ({
          row,
          values: numbers(config.d_model, 1),
        })),
        paths: [
          { document: 1, tokens: Int32Array.of(FIRST + 7, FIRST + 7, leaf) },
          { document: 12, tokens: Int32Array.of(FIRST + 7, FIRST + 7, leaf + 1) },
          { document: 13, tokens: Int32Array.of(FIRST + 7, FIRST + 6, leaf + 2) },
        ],
        deltas: [{ weight, delta: numbers(D * F, 0.3) }],
      },
      docids,
    };
  }

  for (const [kind, config] of Object.entries(kinds))
    it(`explains the version of a ${kind} T5 that searches answer from`, async () => {
      const modelDir = writeSequenceModel(place(), { paths, config, seed: 8 });
      const folder = readModelFolder(modelDir);
      const version = editedVersion(folder);
      const decoder = await keep(SequenceDecoder.open(folder));
      const thread = new ExplainerThread({ modelDir });
      try {
        const query = 'a river of ice';
        const before = await thread.explain(query, [4]);
        const here = await (await keep(PathExplainer.open(folder))).explain(query, { document: 4 });
        assert.deepEqual(before, [here]);
        await decoder.publish(version.model);
        const [{ rows, scores }] = await decoder.retrieve([{ query, k: 20 }]);
        assert.deepEqual(
          [...rows].sort((a, b) => a - b),
          [0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13],
        );
        const found = (await thread.explain(query, [...rows], version, 20)) as PathExplanation[];
        found.forEach((one, i) => {
          assert.deepEqual([one.editSeq, one.docid, one.place], [5, version.docids[rows[i]], i + 1]);
          assertClose([one.score], [scores[i]], 'score', 1e-4);
        });
        const moved = found.find(({ docid }) => docid === 'd1')!;
        assert.deepEqual(moved.path, ['c7', 'c7', '<new8>']);
        assert.equal(moved.steps[2].allowed, 2);
      } finally {
        await thread.close();
      }
    });

  it('says why it cannot', async () => {
    const thread = new ExplainerThread({ modelDir: writeSequenceModel(place(), { paths, seed: 8 }) });
    await assert.rejects(thread.explain('a river', [N]), (error: Error) => {
      assert.ok(error instanceof ExplainerError);
      assert.match(error.message, new RegExp(`document's number below ${N}, got ${N}`));
      return true;
    });
    await thread.close();
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Explainer } from '../../analysis/explain.ts';
import type { Entry, Explanation } from '../../analysis/explanation.ts';
import { ExplainerBusyError, ExplainerError, ExplainerThread } from '../../analysis/explainer-thread.ts';
import { DocidNotInModelError, documentOf } from '../../analysis/open-explainer.ts';
import { createRng } from '../../corpus/random.ts';
import { DocidDecoder, type ModelVersion } from '../../models/decode.ts';
import { encodeMeans, type LayerCircuit, type StoredCircuit } from '../../models/circuit-record.ts';
import { readModelFolder, writeModelFolder } from '../../models/folder.ts';
import { assertClose, openLab, plainRun } from '../support/analysis.ts';
import { writePlantedModel } from '../support/planted-model.ts';
import { mechanisms, type MechanismName } from '../support/planted/mechanisms.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../support/tiny-model.ts';

let dir: string;
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'palimpsest-explain-'));
});
after(() => rmSync(dir, { recursive: true, force: true }));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
const texts = (entries: readonly Entry[]): string[] =>
  entries.map((entry) => ('docid' in entry ? entry.docid : entry.word));

const kinds: Record<string, TinyModelOptions['config']> = {
  'tied v1.0': {},
  'tied v1.0 of three decoder layers': { num_decoder_layers: 3 },
  'untied gated v1.1': { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false },
};

describe('an explanation of a random model', () => {
  for (const [kind, config] of Object.entries(kinds))
    it(`accounts for the logits of a ${kind} T5 exactly`, async () => {
      const modelDir = writeTinyModel(join(dir, kind), { config: config!, seed: 3 });
      const lab = openLab(modelDir);
      const explainer = new Explainer(lab);
      const decoder = await DocidDecoder.open(readModelFolder(modelDir));
      const rng = createRng(5);
      for (let i = 0; i < 4; i++) {
        const query = randomQuery(rng);
        const { logits, read } = await plainRun(lab, [query], ['decoder.1.cross_attn_pattern', 'decoder.0.mlp_post']);
        const docidLogits = logits[0].subarray(lab.genir.firstDocidToken);
        const [{ rows }] = await decoder.retrieve([{ query, k: 10 }]);
        for (const document of [undefined, 2, 7]) {
          const found = await explainer.explain(query, document === undefined ? {} : { document });
          const row = document ?? rows[0];
          assert.equal(found.docid, `d${row}`);
          assertClose([found.logit], [docidLogits[row]], 'logit');
          assert.equal(found.docidRank, rows.indexOf(row) + 1);
          assert.equal(found.rank, 1 + logits[0].filter((logit) => logit > docidLogits[row]).length);
          const best = rows.find((other) => other !== row)!;
          assert.equal(found.rival!.docid, `d${best}`);
          assertClose([found.rival!.logit], [docidLogits[best]], 'logit of the rival');

          assert.equal(found.contributions.length, 1 + 3 * lab.layers);
          assertClose([sum(found.contributions.map(({ logit }) => logit))], [found.logit], 'sum of logits');
          const margin = found.logit - found.rival!.logit;
          assertClose([sum(found.contributions.map((one) => one.margin))], [margin], 'sum of margins');
          assert.deepEqual([found.ranks.at(-1)!.rank, found.ranks.at(-1)!.docidRank], [found.rank, found.docidRank]);
          assert.deepEqual(
            found.ranks.map(({ type, layer }) => [type, layer]),
            found.contributions.map(({ type, layer }) => [type, layer]),
          );

          const head = found.heads.find(({ layer }) => layer === 1)!;
          const S = found.tokens.length;
          const pattern = read[0]['decoder.1.cross_attn_pattern'].data.subarray(head.head * S, (head.head + 1) * S);
          assertClose(head.attention, pattern, 'attention');
          assert.equal(found.tokens.at(-1), '</s>');
        }
      }
      await decoder.close();
    });

  it('takes heads and neurons apart so that they sum to their components', async () => {
    const lab = openLab(writeTinyModel(join(dir, 'whole'), { seed: 4 }));
    const { heads, neurons, contributions } = await new Explainer(lab).explain('a river of ice', { top: 10_000 });
    for (const layer of [0, 1])
      for (const field of ['logit', 'margin'] as const) {
        const of = (parts: readonly { layer: number; logit: number; margin: number }[]) =>
          sum(parts.filter((part) => part.layer === layer).map((part) => part[field]));
        const component = (type: string) => contributions.find((one) => one.type === type && one.layer === layer)!;
        assertClose([of(heads)], [component('cross_attn')[field]], `heads of layer ${layer}`);
        assertClose([of(neurons)], [component('mlp')[field]], `neurons of layer ${layer}`);
      }
    assert.ok(neurons.every(({ activation }) => activation > 0)); // relu
    const margins = neurons.map(({ margin }) => Math.abs(margin));
    assert.deepEqual(
      margins,
      margins.toSorted((a, b) => b - a),
    );
  });

  it('explains a circuit as the circuit answers', async () => {
    const whole = readModelFolder(writeTinyModel(join(dir, 'uncut'), { seed: 6, config: { num_decoder_layers: 3 } }));
    const rng = createRng(7);
    const means = Array.from({ length: 2 }, () => Float32Array.from({ length: 32 }, () => rng.next() - 0.5));
    const layers: LayerCircuit[] = [
      { attn: 'mean', cross_attn: 'keep', mlp: 'zero' },
      { attn: 'zero', cross_attn: 'mean', mlp: 'keep' },
      { attn: 'keep', cross_attn: 'keep', mlp: 'keep' },
    ];
    const everyone = { mean: 0, low: 0, high: 0 };
    const stored: StoredCircuit = {
      version: 1,
      layers,
      means: encodeMeans(means),
      queries: 1,
      loss: { searched: everyone, test: null },
    };
    const { config, tokenizerJson, tokenizerConfig } = whole;
    const weights = new Map([...whole.weights.keys()].map((name) => [name, whole.tensor(name)]));
    const genir = { ...whole.genir!, circuit: stored };
    const modelDir = join(dir, 'circuit');
    writeModelFolder(modelDir, { config, weights, tokenizerJson, tokenizerConfig, genir });

    const decoder = await DocidDecoder.open(readModelFolder(modelDir), { circuit: true });
    const thread = new ExplainerThread({ modelDir, circuit: true });
    try {
      for (const query of ['a river of ice', 'bread']) {
        const [{ rows, scores }] = await decoder.retrieve([{ query, k: 10 }]);
        const found = (await thread.explain(query, [...rows])) as Explanation[];
        const { logit, contributions, rival, heads, neurons } = found[0];
        found.forEach((one, i) => {
          assert.equal(one.docidRank, i + 1);
          assertClose([one.logit - logit], [scores[i] - scores[0]], 'distance to the best', 1e-3);
        });
        assertClose([sum(contributions.map((part) => part.margin))], [logit - rival!.logit], 'sum of margins');
        for (const part of contributions.filter(({ type, layer }) => type === 'mlp' && layer === 0))
          assert.deepEqual([part.logit, part.margin], [0, 0]);
        assert.ok(heads.every(({ layer }) => layer !== 1));
        assert.ok(neurons.every(({ layer }) => layer !== 0));
      }
    } finally {
      await Promise.all([decoder.close(), thread.close()]);
    }
  });

  it('knows no rival where there is one document, and no stages where none were found', async () => {
    const lab = openLab(writeTinyModel(join(dir, 'lonely'), { docids: ['only'] }));
    const found = await new Explainer(lab).explain('water');
    assert.deepEqual([found.docid, found.rival, found.docidRank], ['only', null, 1]);
    for (const { logit, margin, stage } of found.contributions) assert.deepEqual([margin, stage], [logit, null]);
  });

  it('refuses documents that the model does not have', async () => {
    const lab = openLab(writeTinyModel(join(dir, 'refusing')));
    assert.equal(documentOf(lab.folder, 'd3'), 3);
    assert.throws(() => documentOf(lab.folder, 'd10'), DocidNotInModelError);
    await assert.rejects(new Explainer(lab).explain('water', { document: 10 }), RangeError);
  });
});

describe('an explanation of a planted model', () => {
  const explained = async (mechanism: MechanismName) => {
    const planted = writePlantedModel(join(dir, mechanism), { mechanism: mechanisms[mechanism] });
    const explainer = new Explainer(openLab(planted.dir));
    const found: { explanation: Explanation; keyWord: string }[] = [];
    for (const { text, docid, keyWord } of planted.queries.slice(3, 9)) {
      const explanation = await explainer.explain(text);
      assert.equal(explanation.docid, docid);
      assert.equal(explanation.rank, 1);
      found.push({ explanation, keyWord });
    }
    return found;
  };
  /** The parts that make most of the margin, largest first. */
  const largest = ({ contributions }: Explanation, count: number): string[] =>
    contributions
      .toSorted((a, b) => b.margin - a.margin)
      .slice(0, count)
      .map(({ type, layer }) => `${type} ${layer}`)
      .sort();

  it('names the MLPs that translate, and the words that cross-attention brought, for three stages', async () => {
    const { bridges, translates } = mechanisms['three-stages'];
    for (const { explanation, keyWord } of await explained('three-stages')) {
      assert.deepEqual(
        largest(explanation, translates.length),
        translates.map((layer) => `mlp ${layer}`),
      );
      assert.ok(translates.includes(explanation.neurons[0].layer));
      assert.deepEqual(explanation.neurons[0].promotes[0], { docid: explanation.docid });
      const read = explanation.heads.filter(({ layer }) => bridges.includes(layer));
      for (const { wrote, attention } of read) {
        assert.ok(texts(wrote).some((word) => word.replace('▁', '') === keyWord));
        const token = explanation.tokens[attention.indexOf(Math.max(...attention))];
        assert.equal(token.replace('▁', ''), keyWord);
      }
      const before = explanation.ranks.filter(({ layer }) => layer < translates[0]);
      assert.ok(before.every(({ docidRank }) => docidRank > 1));
    }
  });

  it('names the heads that write the docid themselves, for cross-attention only', async () => {
    const { bridges } = mechanisms['cross-only'];
    for (const { explanation } of await explained('cross-only')) {
      assert.deepEqual(
        largest(explanation, bridges.length),
        bridges.map((layer) => `cross_attn ${layer}`),
      );
      assert.ok(bridges.includes(explanation.heads[0].layer));
      assert.deepEqual(explanation.heads[0].wrote[0], { docid: explanation.docid });
    }
  });
});

describe('an explanation of an edited model', () => {
  /** Random deltas of two weights, a row in another's place, rows 10 and 11 added, documents 3 and 7 gone. */
  function editedVersion(modelDir: string): { model: ModelVersion; docids: (string | null)[] } {
    const { weights, config } = readModelFolder(modelDir);
    const rng = createRng(11);
    const numbers = (length: number, scale: number) =>
      Float32Array.from({ length }, () => scale * (rng.next() - 0.5) * 2);
    const outputs = [0, 1].map((layer) => `decoder.block.${layer}.layer.2.DenseReluDense.wo.weight`);
    const docids = [...Array.from({ length: 10 }, (_, i) => (i === 3 ? null : `d${i}`)), 'new', 'newer'];
    return {
      model: {
        editSeq: 5,
        live: Uint8Array.from(docids, (docid, row) => Number(docid !== null && row !== 7)),
        rows: [2, 10, 11].map((row) => ({ row, values: numbers(config.d_model, 1) })),
        deltas: outputs.map((weight) => {
          const [D, F] = weights.get(weight)!.shape;
          return { weight, delta: numbers(D * F, 0.3) };
        }),
      },
      docids,
    };
  }

  for (const [kind, config] of Object.entries(kinds))
    it(`accounts for what searches of a ${kind} T5 answer, and says of which edit it is`, async () => {
      const modelDir = writeTinyModel(join(dir, `edited ${kind}`), { config: config!, seed: 8 });
      const version = editedVersion(modelDir);
      const decoder = await DocidDecoder.open(readModelFolder(modelDir));
      const thread = new ExplainerThread({ modelDir });
      try {
        const query = 'a river of ice';
        const before = await thread.explain(query, [4]);
        assert.equal(before[0].editSeq, 0);
        await decoder.publish(version.model);
        const [{ rows, scores }] = await decoder.retrieve([{ query, k: 20 }]);
        assert.equal(rows.length, 10);
        const found = (await thread.explain(query, [...rows], version)) as Explanation[];
        found.forEach((one, i) => {
          assert.deepEqual([one.editSeq, one.docid], [5, version.docids[rows[i]]]);
          assert.equal(one.docidRank, i + 1);
          assert.equal(one.rival!.docid, version.docids[rows[i === 0 ? 1 : 0]]);
          assertClose([one.logit - found[0].logit], [scores[i] - scores[0]], 'distance to the best', 1e-3);
          assertClose([sum(one.contributions.map(({ logit }) => logit))], [one.logit], 'sum of logits', 1e-3);
          const neurons = one.neurons.map(({ promotes }) => texts(promotes)).flat();
          assert.ok(!neurons.includes('d7') && !neurons.includes('d3'));
        });
        const docids = Array.from({ length: 10 }, (_, i) => `d${i}`);
        const live = new Uint8Array(10).fill(1);
        const base = { model: { editSeq: 6, live, rows: [], deltas: [] }, docids };
        assert.deepEqual(await thread.explain(query, [4], base), [{ ...before[0], editSeq: 6 }]);
      } finally {
        await Promise.all([decoder.close(), thread.close()]);
      }
    });
});

describe('the explaining thread', () => {
  it('explains as the model does in this thread, and starts again after a pause', async () => {
    const modelDir = writeTinyModel(join(dir, 'threaded'));
    const thread = new ExplainerThread({ modelDir, idleMs: 1 });
    try {
      assert.equal(thread.running, false);
      const explainer = new Explainer(openLab(modelDir));
      const here = [await explainer.explain('a river', { document: 4 }), await explainer.explain('a river')];
      const there = await thread.explain('a river', [4, documentOf(readModelFolder(modelDir), here[1].docid)]);
      assert.deepEqual(there, here);
      while (thread.running) await new Promise((resolve) => setTimeout(resolve, 5));
      assert.deepEqual(await thread.explain('a river', [4]), [here[0]]);
    } finally {
      await thread.close();
    }
    await assert.rejects(thread.explain('a river', [4]), ExplainerError);
  });

  it('refuses what is too much, and ends what it has begun before it closes', async () => {
    const thread = new ExplainerThread({ modelDir: writeTinyModel(join(dir, 'busy')), maxWaiting: 1 });
    const first = thread.explain('a river', [4]);
    await assert.rejects(thread.explain('a river', [4]), ExplainerBusyError);
    await Promise.all([thread.close(), first]);
    assert.equal((await first)[0].docid, 'd4');
  });

  it('says why it cannot', async () => {
    const thread = new ExplainerThread({ modelDir: join(dir, 'nowhere') });
    await assert.rejects(thread.explain('a river', [4]), (error: Error) => {
      assert.ok(error instanceof ExplainerError);
      assert.match(error.message, /nowhere: expected a folder with config\.json/);
      return true;
    });
    await thread.close();
    const other = new ExplainerThread({ modelDir: writeTinyModel(join(dir, 'small')) });
    await assert.rejects(other.explain('a river', [10]), /expected a document's row below 10, got 10/);
    await other.close();
  });
});

/** The graph of a circuit against the instrumented decoder under the same patches, on tiny random models. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Lab } from '../../analysis/lab.ts';
import type { Patch } from '../../analysis/patch.ts';
import { createRng, type Rng } from '../../corpus/random.ts';
import {
  circuitOf,
  CircuitError,
  count,
  encodeMeans,
  storedCircuit,
  treatments,
  type Circuit,
  type LayerCircuit,
  type StoredCircuit,
} from '../../models/circuit-record.ts';
import { circuitDecoderGraph } from '../../models/circuit.ts';
import type { T5Config } from '../../models/config.ts';
import { baseVersion, DocidDecoder, VersionError, wordWeights, type Retrieved } from '../../models/decode.ts';
import { readModelFolder, type ModelFolder } from '../../models/folder.ts';
import { transposed } from '../../models/graphs.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { copyModel, randomQuery, texts, writeTinyModel } from '../support/tiny-model.ts';

/** The same sums in another order. */
const TOLERANCE = 1e-4;

const parts = ['attn', 'cross_attn', 'mlp'] as const;
const dir = tempFolder();
const opened: { close(): Promise<void> }[] = [];
after(() => Promise.all(opened.map((one) => one.close())));
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  opened.push(one);
  return one;
};

const untied = { tie_word_embeddings: false, scale_decoder_outputs: false } as const;
const gated = { feed_forward_proj: 'gated-gelu' } as const;
const kinds: Record<string, Partial<T5Config>> = {
  'v1.0': {},
  'v1.1': { ...untied, ...gated },
  'gated and tied': gated,
  'of narrow heads': { num_heads: 2, d_kv: 4 }, // 2·H·K < D: self-attention stays two matrices
};
const models = Object.entries(kinds).map(([name, config], i) => ({
  name,
  folder: readModelFolder(
    writeTinyModel(join(dir, `model-${i}`), { seed: 20 + i, config: { num_decoder_layers: 3, ...config } }),
  ),
}));
const [{ folder }] = models;
const D = 32;
const N = texts.length;
const rng = createRng(3);
const queries = [...Array.from({ length: 8 }, () => randomQuery(rng)), ''];

const layer = (attn: LayerCircuit['attn'], cross_attn: LayerCircuit['attn'], mlp: LayerCircuit['attn']) => ({
  attn,
  cross_attn,
  mlp,
});
const vector = (of: Rng): Float32Array => Float32Array.from({ length: D }, () => 2 * (of.next() - 0.5));
const withMeans = (layers: readonly LayerCircuit[], of: Rng): Circuit => ({
  layers,
  means: Array.from({ length: count(layers, 'mean') }, () => vector(of)),
});
function randomCircuit(of: Rng): Circuit {
  const any = (): LayerCircuit['attn'] => treatments[of.int(3)];
  return withMeans(
    Array.from({ length: 3 }, () => layer(any(), any(), any())),
    of,
  );
}
const whole = withMeans(Array(3).fill(layer('keep', 'keep', 'keep')), rng);

/** The patches that a circuit is. */
function patchesOf({ layers, means }: Circuit): Patch[] {
  const rest = [...means];
  return layers.flatMap((one, i) =>
    parts
      .filter((part) => one[part] !== 'keep')
      .map((part) => ({ at: `decoder.${i}.${part}_out` as const, by: one[part] === 'zero' ? 'zero' : rest.shift()! })),
  );
}

const stored = (circuit: Circuit): StoredCircuit => ({
  version: 1,
  layers: [...circuit.layers],
  means: encodeMeans(circuit.means),
  queries: 1,
  loss: { searched: { mean: 0, low: 0, high: 0 }, test: null },
});
/** The same model with a circuit stored in it. */
const having = (of: ModelFolder, circuit: Circuit): ModelFolder => ({
  ...of,
  genir: { ...of.genir!, circuit: stored(circuit) },
});
const open = async (of: ModelFolder, circuit: boolean): Promise<DocidDecoder> =>
  keep(await DocidDecoder.open(of, { circuit }));
const ask = (decoder: DocidDecoder, allowed?: Uint8Array): Promise<Retrieved[]> =>
  decoder.retrieve(queries.map((query) => ({ query, k: N, allowed })));

/** log softmax over the documents of the instrumented decoder, by row. */
async function instrumented(of: ModelFolder, circuit: Circuit): Promise<Float64Array[]> {
  const lab = new Lab(of);
  const { state } = await lab.decode(await lab.encode(queries), { patches: patchesOf(circuit) });
  const gain = of.tensor('decoder.final_layer_norm.weight').data;
  await lab.close();
  return queries.map((_, q) => {
    const x = state.data.subarray(q * D, (q + 1) * D);
    const rms = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / D + of.config.layer_norm_epsilon);
    const scale = of.config.scale_decoder_outputs ? D ** -0.5 : 1;
    const logits = Float64Array.from({ length: N }, (_, n) =>
      x.reduce((sum, value, d) => sum + (value / rms) * gain[d] * scale * lab.rows.data[n * D + d], 0),
    );
    const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
    return logits.map((logit) => logit - total);
  });
}

function assertScores(actual: readonly Retrieved[], expected: readonly Float64Array[]): void {
  actual.forEach(({ rows, scores }, q) => {
    assert.equal(rows.length, N);
    rows.forEach((row, i) => {
      const error = Math.abs(scores[i] - expected[q][row]);
      assert.ok(error < TOLERANCE, `query ${q}, row ${row}: ${scores[i]} for ${expected[q][row]}`);
    });
  });
}

function assertSame(actual: readonly Retrieved[], expected: readonly Retrieved[]): void {
  actual.forEach(({ rows, scores }, q) => {
    assert.deepEqual(rows, expected[q].rows);
    scores.forEach((score, i) => assert.ok(Math.abs(score - expected[q].scores[i]) < TOLERANCE));
  });
}

describe('the graph of a circuit', () => {
  for (const { name, folder: of } of models) {
    it(`answers as the instrumented decoder with the same patches (${name})`, async () => {
      const random = createRng(7);
      for (let i = 0; i < 6; i++) {
        const circuit = randomCircuit(random);
        const decoder = await open(having(of, circuit), true);
        assertScores(await ask(decoder), await instrumented(of, circuit));
      }
    });

    it(`that keeps all is the whole decoder (${name})`, async () => {
      assertSame(await ask(await open(having(of, whole), true)), await ask(await open(of, false)));
    });
  }

  const special: Record<string, LayerCircuit[]> = {
    'without anything that works': Array(3).fill(layer('zero', 'zero', 'mean')),
    'without cross-attention': Array(3).fill(layer('keep', 'mean', 'keep')),
    'whose cross-attention is the last to work': [
      layer('keep', 'zero', 'keep'),
      layer('mean', 'mean', 'mean'),
      layer('keep', 'keep', 'mean'),
    ],
  };
  for (const [name, layers] of Object.entries(special))
    it(name, async () => {
      const circuit = withMeans(layers, createRng(8));
      assertScores(await ask(await open(having(folder, circuit), true)), await instrumented(folder, circuit));
    });

  it('has no weight of a component that does not work, and none to edit of what is the same for all queries', () => {
    const layers = [layer('zero', 'mean', 'keep'), layer('keep', 'keep', 'zero'), layer('keep', 'zero', 'keep')];
    const words = folder.genir!.firstDocidToken;
    const config = { ...folder.config, vocab_size: words };
    const { graph, editable } = circuitDecoderGraph(config, wordWeights(folder, words), withMeans(layers, rng));
    const decoderWeights = (names: Iterable<string>): string[] =>
      [...names].filter((n) => n.startsWith('decoder.')).sort();
    const block = (i: number, names: string): string[] =>
      names.split(' ').map((n) => `decoder.block.${i}.layer.${n}.weight`);
    assert.deepEqual(
      decoderWeights(graph.live().constants.map(({ value }) => value.name)),
      [
        ...block(0, '2.layer_norm 2.DenseReluDense.wi 2.DenseReluDense.wo'),
        ...block(1, '0.layer_norm 0.SelfAttention.o 0.SelfAttention.v'),
        ...block(1, '1.layer_norm 1.EncDecAttention.q 1.EncDecAttention.k 1.EncDecAttention.v 1.EncDecAttention.o'),
        ...block(2, '0.layer_norm 0.SelfAttention.o 0.SelfAttention.v'),
        ...block(2, '2.layer_norm 2.DenseReluDense.wi 2.DenseReluDense.wo'),
        'decoder.final_layer_norm.weight',
      ].sort(),
    );
    assert.deepEqual(
      decoderWeights(editable),
      [
        ...block(1, '1.EncDecAttention.v 1.EncDecAttention.o'),
        ...block(2, '0.layer_norm 2.layer_norm 2.DenseReluDense.wi 2.DenseReluDense.wo'),
        'decoder.final_layer_norm.weight',
      ].sort(),
    );
  });
});

describe('a decoder of a circuit', () => {
  const circuit = withMeans(
    [layer('zero', 'keep', 'mean'), layer('keep', 'mean', 'keep'), layer('mean', 'keep', 'keep')],
    createRng(9),
  );
  const equipped = having(folder, circuit);

  it('answers with allowed documents only, and normalises over them', async () => {
    const decoder = await open(equipped, true);
    const known = await instrumented(folder, circuit);
    const allowed = Uint8Array.from({ length: N }, (_, n) => +(n % 3 === 1));
    const permitted = [...allowed.keys()].filter((n) => allowed[n] === 1);
    (await ask(decoder, allowed)).forEach(({ rows, scores }, q) => {
      const total = Math.log(permitted.reduce((sum, n) => sum + Math.exp(known[q][n]), 0));
      assert.deepEqual([...rows].sort(), permitted);
      rows.forEach((row, i) => assert.ok(Math.abs(scores[i] - (known[q][row] - total)) < TOLERANCE));
    });
    await decoder.publish({ ...baseVersion(N), live: allowed });
    for (const { rows } of await ask(decoder)) assert.deepEqual([...rows].sort(), permitted);
  });

  for (const weight of [
    'decoder.block.1.layer.2.DenseReluDense.wo.weight',
    'decoder.block.2.layer.2.DenseReluDense.wi.weight',
    'decoder.block.2.layer.1.EncDecAttention.q.weight',
    'decoder.final_layer_norm.weight',
    'encoder.block.0.layer.1.DenseReluDense.wo.weight',
  ])
    it(`with a delta answers as the circuit of a model whose weight was changed (${weight})`, async () => {
      const decoder = await open(equipped, true);
      const before = await ask(decoder);
      const { shape, data } = folder.tensor(weight);
      const change = Float32Array.from(data, () => 0.3 * (rng.next() - 0.5));
      const delta = shape.length === 2 ? transposed({ data: change, shape }) : change;
      await decoder.publish({ ...baseVersion(N), editSeq: 1, deltas: [{ weight, delta }] });
      const after = await ask(decoder);
      const changed = { shape, data: data.map((x, i) => x + change[i]) };
      const copy = readModelFolder(copyModel(join(dir, 'edited'), folder, new Map([[weight, changed]])));
      assertScores(after, await instrumented(copy, circuit));
      assert.ok(after.some(({ scores }, q) => Math.abs(scores[0] - before[q].scores[0]) > 10 * TOLERANCE));
      await decoder.publish(baseVersion(N));
      assert.deepEqual(await ask(decoder), before);
    });

  for (const weight of [
    'decoder.block.0.layer.2.DenseReluDense.wo.weight', // a mean
    'decoder.block.0.layer.0.SelfAttention.v.weight', // zero
    'decoder.block.0.layer.1.EncDecAttention.k.weight', // what all queries ask alike
    'decoder.block.1.layer.0.SelfAttention.o.weight', // one matrix with W_V
  ])
    it(`refuses a delta of what it does without, and goes on (${weight})`, async () => {
      const decoder = await open(equipped, true);
      const before = await ask(decoder);
      const delta = new Float32Array(folder.tensor(weight).data.length);
      await assert.rejects(
        decoder.publish({ ...baseVersion(N), editSeq: 2, deltas: [{ weight, delta }] }),
        (error: unknown) => {
          assert.ok(error instanceof VersionError);
          assert.match(
            error.message,
            /^version 2: deltas: expected a weight that the circuit applies.*without --circuit/,
          );
          return true;
        },
      );
      assert.deepEqual(await ask(decoder), before);
    });
});

describe('a stored circuit', () => {
  it('is read as it was written', () => {
    const circuit = randomCircuit(createRng(10));
    assert.deepEqual(circuitOf(JSON.parse(JSON.stringify(stored(circuit))) as StoredCircuit), circuit);
  });

  it('that is absent, damaged or of another model is an error that says what to do', async () => {
    const { dir: where, config, genir } = folder;
    const good = stored(randomCircuit(createRng(11)));
    const bad: [RegExp, unknown][] = [
      [/expected a circuit that an analysis found, got none; run "analyze --model .*without --circuit$/, undefined],
      [
        /expected a valid record, got one whose layers\.0\.mlp is not/,
        { ...good, layers: [layer('keep', 'keep', 'half' as 'keep')] },
      ],
      [/expected one of 3 decoder layers, got 2 layers/, { ...good, layers: good.layers.slice(1) }],
      [/expected means of \d+ bytes, got 4/, { ...good, means: 'AAAAAA==' }],
    ];
    for (const [message, circuit] of bad)
      assert.throws(
        () => storedCircuit(where, { ...genir!, circuit }, config),
        (error: unknown) => {
          assert.ok(error instanceof CircuitError);
          assert.match(error.message, message);
          return true;
        },
      );
    await assert.rejects(DocidDecoder.open(folder, { circuit: true }), CircuitError);
  });
});

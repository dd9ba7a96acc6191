/** Versions of a model whose docids are paths, against a folder that was written with all of it inside. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng, type Rng } from '../../../corpus/random.ts';
import { SequenceDecoder } from '../../../models/beam/sequence-decoder.ts';
import { baseVersion, VersionError, type ModelVersion, type Retrieved } from '../../../models/decode.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../../models/folder.ts';
import { pathIds, type PathGenir } from '../../../models/genir.ts';
import { transposed } from '../../../models/graphs.ts';
import { isLinear, unembedName } from '../../../models/t5.ts';
import { loadTokenizer } from '../../../models/tokenizer.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { codes, randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';

/** The same sums in another order, x·W + x·ΔW for x·(W + ΔW) among them. */
const TOLERANCE = 1e-4;

const dir = tempFolder();
let folders = 0;
const place = (): string => join(dir, `${folders++}`);
const decoders: SequenceDecoder[] = [];
after(() => Promise.all(decoders.map((decoder) => decoder.close())));
async function open(folder: ModelFolder): Promise<SequenceDecoder> {
  const decoder = await SequenceDecoder.open(folder);
  decoders.push(decoder);
  return decoder;
}

const N = 20;
const FIRST = 400;
const queries = ['which river is ice', 'bread', 'a violin, a compass and the sea'];
const ask = (decoder: SequenceDecoder, k: number, allowed?: Uint8Array): Promise<Retrieved[]> =>
  decoder.retrieve(queries.map((query) => ({ query, k, allowed })));

const uniform = (rng: Rng, length: number, scale: number): Float32Array =>
  Float32Array.from({ length }, () => scale * (rng.next() - 0.5));

const editable = [
  'encoder.block.0.layer.1.DenseReluDense.wo.weight',
  'decoder.block.0.layer.0.SelfAttention.k.weight',
  'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
  'decoder.block.0.layer.1.EncDecAttention.v.weight',
  'decoder.block.1.layer.2.DenseReluDense.wo.weight',
  'decoder.final_layer_norm.weight',
];

/** Documents that come, go and move, rows and weights that change. */
function randomVersion(folder: ModelFolder, rng: Rng, editSeq: number): ModelVersion {
  const D = folder.config.d_model;
  const { tokens, offsets } = pathIds(folder.genir as PathGenir, folder.tokenizerJson);
  const added = rng.int(5);
  const rows = [rng.int(codes.length), ...Array.from({ length: added }, (_, i) => codes.length + i)];
  /** Under what another document's path begins with, by a leaf of its own. */
  const newLeaf = (leaf: number): Int32Array => {
    const of = rng.int(N);
    const shared = rng.int(offsets[of + 1] - offsets[of]);
    return Int32Array.of(...tokens.subarray(offsets[of], offsets[of] + shared), FIRST + codes.length + leaf);
  };
  // The first new leaf goes to a document that had another path.
  const documents = Array.from({ length: added }, (_, i) => (i === 0 ? rng.int(N) : N + i - 1));
  return {
    editSeq,
    live: Uint8Array.from({ length: N + Math.max(0, added - 1) }, () => +(rng.next() < 0.8)),
    rows: rows.map((row) => ({ row, values: uniform(rng, D, 4) })),
    paths: documents.map((document, leaf) => ({ document, tokens: newLeaf(leaf) })),
    deltas: editable
      .filter(() => rng.next() < 0.3)
      .map((weight) => ({ weight, delta: uniform(rng, sizeOf(folder, weight), 0.3) })),
  };
}

const sizeOf = (folder: ModelFolder, weight: string): number =>
  folder.weights.get(weight)!.shape.reduce((a, b) => a * b, 1);

/** A folder of the version's documents, dead ones too. */
function rebuilt(folder: ModelFolder, { live, rows, paths = [], deltas }: ModelVersion): ModelFolder {
  const genir = folder.genir as PathGenir;
  const D = folder.config.d_model;
  const entries = Math.max(codes.length, ...rows.map(({ row }) => row + 1));
  const names = Array.from({ length: entries }, (_, i) => codes[i] ?? `new${i}`);
  const tokenizer = loadTokenizer(folder);
  const all = Array.from({ length: live.length }, (_, n) => genir.paths[n] ?? `never${n}`);
  for (const { document, tokens } of paths)
    all[document] = Array.from(tokens, (token) => names[token - FIRST] ?? tokenizer.token(token)).join(' ');
  const config = { ...folder.config, vocab_size: FIRST + entries };
  const weights = new Map<string, WeightTensor>();
  for (const [name, { shape, data }] of folder.weights) {
    const change = deltas.find(({ weight }) => weight === name)?.delta;
    if (change) {
      const inPlace = isLinear(name) ? transposed({ data: change, shape: [...shape].reverse() }) : change;
      weights.set(name, { shape, data: data.map((x, i) => x + inPlace[i]) });
    } else if (name === 'shared.weight' || name === 'lm_head.weight') {
      const table = new Float32Array((FIRST + entries) * D);
      table.set(data);
      if (name === unembedName(folder.config)) for (const { row, values } of rows) table.set(values, (FIRST + row) * D);
      weights.set(name, { shape: [FIRST + entries, D], data: table });
    } else weights.set(name, { shape, data });
  }
  const { tokenizerJson, tokenizerConfig } = folder;
  const docids = all.map((_, n) => `d${n}`);
  const target = place();
  writeModelFolder(target, {
    ...{ config, weights, tokenizerJson, tokenizerConfig },
    genir: { ...genir, docids, paths: all, codes: names },
  });
  return readModelFolder(target);
}

function assertSame(actual: readonly Retrieved[], expected: readonly Retrieved[]): void {
  actual.forEach(({ rows, scores }, b) => {
    assert.deepEqual(rows, expected[b].rows);
    scores.forEach((score, i) => assert.ok(Math.abs(score - expected[b].scores[i]) < TOLERANCE));
  });
}

const kinds = { tied: {}, untied: { tie_word_embeddings: false, scale_decoder_outputs: false } } as const;

describe('a version of a sequence decoder', () => {
  for (const [kind, config] of Object.entries(kinds))
    it(`answers as a folder with all of it inside, whatever was there before (${kind})`, async () => {
      const rng = createRng(5);
      const folder = readModelFolder(writeSequenceModel(place(), { paths: randomPaths(rng, N), config, seed: 5 }));
      const decoder = await open(folder);
      const before = await ask(decoder, N);
      let dead = 0;
      for (let editSeq = 1; editSeq <= 10; editSeq++) {
        const version = randomVersion(folder, rng, editSeq);
        await decoder.publish(version);
        assert.equal(decoder.editSeq, editSeq);
        const expected = await SequenceDecoder.open(rebuilt(folder, version));
        assertSame(await ask(decoder, N + 5), await ask(expected, N + 5, version.live));
        assertSame(await ask(decoder, 2), await ask(expected, 2, version.live));
        dead += version.live.filter((live) => !live).length;
        await expected.close();
      }
      assert.ok(dead > 0);
      await decoder.publish(baseVersion(N));
      assert.deepEqual(await ask(decoder, N), before, 'the base again, to the byte');
    });

  const paths = ['c0 c1', 'c0 c2', 'c1 ▁ice </s>', 'c2'];
  const folder = readModelFolder(writeSequenceModel(place(), { paths }));
  const D = folder.config.d_model;
  const base = baseVersion(paths.length);
  const [live, leaf] = [new Uint8Array(5).fill(1), FIRST + codes.length];
  const row = { row: codes.length, values: uniform(createRng(1), D, 4) };

  it('lets a document come back under the path it had', async () => {
    const decoder = await open(folder);
    const before = await ask(decoder, 4);
    await decoder.publish({ ...base, live: Uint8Array.of(1, 0, 1, 1) });
    assert.ok((await ask(decoder, 4)).every(({ rows }) => rows.length === 3 && !rows.includes(1)));
    await decoder.publish(base);
    assert.deepEqual(await ask(decoder, 4), before);
  });

  it('reads words that no path went on after before', async () => {
    const decoder = await open(folder);
    const tokens = Int32Array.of(loadTokenizer(folder).id('▁bread')!, FIRST);
    const version = { ...base, live, paths: [{ document: 4, tokens }] };
    await decoder.publish(version);
    assertSame(await ask(decoder, 5), await ask(await open(rebuilt(folder, version)), 5));
  });

  it('that does not fit is refused, and the one before stays', async () => {
    const decoder = await open(folder);
    await decoder.publish({
      ...base,
      editSeq: 3,
      live,
      rows: [row],
      paths: [{ document: 4, tokens: Int32Array.of(leaf) }],
    });
    const before = await ask(decoder, 5);
    const path = (...tokens: number[]) => [{ document: 4, tokens: Int32Array.from(tokens) }];
    const wo = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
    const wrong: [RegExp, Partial<ModelVersion>][] = [
      [/live: expected a flag for each of the folder's 4 documents, got 3/, { live: new Uint8Array(3) }],
      [/document 4: expected a path for a new live document, got none/, { live }],
      [/rows: expected a row from 0 on, got -1/, { rows: [{ ...row, row: -1 }] }],
      [/row 8: expected values for a new vocabulary entry, got none/, { rows: [{ ...row, row: 9 }] }],
      [/row 8: expected 32 values, got 3/, { rows: [{ ...row, values: new Float32Array(3) }] }],
      [/paths: expected a document below 4, got 4/, { paths: path(FIRST + 3) }],
      [/paths: expected each document once, got 4 twice/, { live, paths: [...path(FIRST + 3), ...path(FIRST + 4)] }],
      [/path of document 4: expected at least one token, got none/, { live, paths: path() }],
      [/path of document 4, token 1: expected one below 408, got 408/, { live, paths: path(FIRST, leaf) }],
      [/path of document 4, token 0: expected one below 408, got 408/, { live, rows: [row], paths: path(leaf, FIRST) }],
      [/path of document 4, token 0: expected one below 408, got -1/, { live, paths: path(-1) }],
      [
        /expected none that ends inside another, got that of document 3 at token 1/,
        { live, paths: path(FIRST + 2, 1) },
      ],
      [/expected none that ends inside another, got that of document 4 at token 1/, { live, paths: path(FIRST) }],
      [/wo.weight: expected a delta of 2048 values, got 3/, { deltas: [{ weight: wo, delta: new Float32Array(3) }] }],
    ];
    for (const [message, change] of wrong) {
      await assert.rejects(decoder.publish({ ...base, editSeq: 4, ...change }), (error: unknown) => {
        assert.ok(error instanceof VersionError, String(error));
        assert.match(error.message, message);
        return true;
      });
      assert.equal(decoder.editSeq, 3);
      assert.deepEqual(await ask(decoder, 5), before);
    }
  });
});

/** Merged models against the base with the version beside it, both decoded by a DocidDecoder. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng } from '../../corpus/random.ts';
import { mergeVersion, MergeError, type NamedVersion } from '../../editing/merge.ts';
import { baseVersion, DocidDecoder, type Retrieved } from '../../models/decode.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../models/folder.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { randomQuery, texts, writeTinyModel, type TinyModelOptions } from '../support/tiny-model.ts';

const dir = tempFolder();
const N = texts.length;
const decoders: DocidDecoder[] = [];
after(() => Promise.all(decoders.map((decoder) => decoder.close())));

const rng = createRng(5);
const queries = Array.from({ length: 60 }, () => randomQuery(rng));
const random = (length: number, seed: number, scale: number): Float32Array => {
  const numbers = createRng(seed);
  return Float32Array.from({ length }, () => scale * (numbers.next() - 0.5));
};

let made = 0;
const tiny = (options: TinyModelOptions = {}): ModelFolder =>
  readModelFolder(writeTinyModel(join(dir, `model-${++made}`), options));

async function answers(folder: ModelFolder, version?: NamedVersion): Promise<{ docids: string[]; scores: number[] }[]> {
  const decoder = await DocidDecoder.open(folder);
  decoders.push(decoder);
  if (version) await decoder.publish(version.model);
  const found: Retrieved[] = await decoder.retrieve(queries.map((query) => ({ query, k: 100 })));
  const docids = version?.docids ?? folder.genir!.docids;
  return found.map(({ rows, scores }) => ({ docids: Array.from(rows, (row) => docids[row]!), scores: [...scores] }));
}

/** Two documents added, one deleted, one changed, one renamed, a free row between, an MLP and a norm edited. */
function editedVersion(folder: ModelFolder, scale = 1): NamedVersion {
  const D = folder.config.d_model;
  const docids: (string | null)[] = [...folder.genir!.docids, 'new a', null, 'new b'];
  docids[7] = 'renamed';
  const live = new Uint8Array(docids.length).fill(1);
  live[2] = 0;
  live[N + 1] = 0;
  const wo = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
  const q = 'decoder.block.0.layer.1.EncDecAttention.q.weight';
  const norm = 'decoder.final_layer_norm.weight';
  const size = (name: string): number => folder.weights.get(name)!.shape.reduce((a, b) => a * b, 1);
  return {
    docids,
    model: {
      editSeq: 9,
      live,
      rows: [N, N + 2, 4].map((row) => ({ row, values: random(D, 10 + row, scale) })),
      deltas: [wo, q, norm].map((weight, i) => ({ weight, delta: random(size(weight), 30 + i, 0.2 * scale) })),
    },
  };
}

function write(folder: ModelFolder, version: NamedVersion): ModelFolder {
  const out = join(dir, `merged-${++made}`);
  writeModelFolder(out, mergeVersion(folder, version, 'of these documents'));
  return readModelFolder(out);
}

describe('mergeVersion', () => {
  for (const [kind, config] of [
    ['tied', {}],
    ['untied and gated', { tie_word_embeddings: false, feed_forward_proj: 'gated-gelu' }],
  ] as const)
    it(`answers as the edited model, ${kind}`, async () => {
      const folder = tiny({ config });
      const version = editedVersion(folder);
      const merged = write(folder, version);
      assert.deepEqual(merged.genir!.docids, [
        ...['d0', 'd1', 'd3', 'd4', 'd5', 'd6', 'renamed', 'd8', 'd9', 'new a', 'new b'],
      ]);
      const [expected, actual, before] = [await answers(folder, version), await answers(merged), await answers(folder)];
      expected.forEach(({ docids, scores }, q) => {
        assert.deepEqual(actual[q].docids, docids);
        scores.forEach((score, i) => assert.ok(Math.abs(actual[q].scores[i] - score) < 1e-4, `${score}`));
      });
      assert.notDeepEqual(
        before.map(({ docids }) => docids[0]),
        expected.map(({ docids }) => docids[0]),
      );
    });

  it('is float32 where values changed, and as stored where documents only went or changed their names', () => {
    const folder = tiny();
    const half = join(dir, 'half');
    const { config, tokenizerJson, tokenizerConfig, genir } = folder;
    const weights = new Map([...folder.weights.keys()].map((name) => [name, folder.tensor(name)]));
    writeModelFolder(half, { config, weights, tokenizerJson, tokenizerConfig, genir, dtype: 'F16' });
    const base = readModelFolder(half);
    const dtypes = (version: NamedVersion): string[] => [
      ...new Set([...write(base, version).weights.values()].map(({ dtype }) => dtype)),
    ];
    assert.deepEqual(dtypes(editedVersion(base)), ['F32']);
    const live = new Uint8Array(N).fill(1);
    live[0] = 0;
    const docids = base.genir!.docids.map((docid, row) => (row === 3 ? 'other' : docid));
    assert.deepEqual(dtypes({ model: { ...baseVersion(N), live }, docids }), ['F16']);
  });

  it('keeps what an analysis found of the stages, and no circuit', () => {
    const folder = tiny();
    const stages = { interaction: { from: 1, to: 2 } };
    const genir = {
      ...folder.genir!,
      stages,
      circuit: { version: 1 },
      training: { size: 'tiny', withoutDocs: ['new a', 'x'] },
    };
    const merged = mergeVersion({ ...folder, genir }, editedVersion(folder), 'f').genir!;
    assert.deepEqual(merged.stages, stages);
    assert.equal('circuit' in merged, false);
    assert.deepEqual(merged.training, { size: 'tiny', withoutDocs: ['x'] });
    assert.deepEqual(merged.corpus, { fingerprint: 'f', documents: 11 });
    assert.deepEqual(merged.merged, { fromFingerprint: null, fromDocuments: 10, editSeq: 9 });
  });

  it('renames the tokens of checkpoints whose tokenizer has one for each document', async () => {
    const folder = tiny();
    const { config, genir } = folder;
    const json = folder.tokenizerJson as { added_tokens: { id: number; content: string }[] };
    const token = (docid: string, i: number) => ({
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false, special: false },
      id: genir!.firstDocidToken + i,
      content: `@DOC_ID_${docid}@`,
    });
    const tokenizerJson = { ...json, added_tokens: [...json.added_tokens, ...genir!.docids.map(token)] };
    const paper = join(dir, 'paper');
    const weights = new Map([...folder.weights.keys()].map((name) => [name, folder.tensor(name)]));
    const { tokenizerConfig } = folder;
    writeModelFolder(paper, { config, weights, tokenizerJson, tokenizerConfig });
    const base = readModelFolder(paper);
    assert.deepEqual(base.genir!.docids, genir!.docids);
    const version = editedVersion(base);
    const merged = write(base, version);
    const tokens = (merged.tokenizerJson as typeof json).added_tokens.map(({ content }) => content);
    assert.ok(tokens.includes('@DOC_ID_new b@') && !tokens.includes('@DOC_ID_d2@'));
    const [expected, actual] = [await answers(base, version), await answers(merged)];
    assert.deepEqual(
      actual.map(({ docids }) => docids),
      expected.map(({ docids }) => docids),
    );
  });

  it('refuses what does not fit', () => {
    const folder = tiny();
    const version = editedVersion(folder);
    const { model } = version;
    const bad: [NamedVersion, RegExp][] = [
      [{ model, docids: ['a'] }, /a docid or null for each of 13 rows, got 1/],
      [{ model: { ...model, live: new Uint8Array(13) }, docids: version.docids }, /a document that is live, got none/],
      [
        { ...version, model: { ...model, deltas: [{ weight: 'shared.weight', delta: new Float32Array(1) }] } },
        /shared/,
      ],
    ];
    for (const [one, message] of bad)
      assert.throws(
        () => mergeVersion(folder, one, null),
        (error: Error) => error instanceof MergeError && message.test(error.message),
      );
  });
});

import { after, describe, it, mock } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importCorpus } from '../../../corpus/import-corpus.ts';
import { openStore } from '../../../corpus/store.ts';
import { DocidDecoder } from '../../../models/decode.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../../models/folder.ts';
import { decoderGraph, encoderGraph } from '../../../models/graphs.ts';
import { int64, Session, tensor } from '../../../models/session.ts';
import { loadTokenizer } from '../../../models/tokenizer.ts';
import type { WeightTensor } from '../../../models/weights.ts';
import { indexCorpus, type IndexOptions } from '../../../models/training/index-corpus.ts';
import type { IndexInput } from '../../../models/training/index-input.ts';
import type { IndexResult } from '../../../models/training/run.ts';

const temporary = mkdtempSync(join(tmpdir(), 'palimpsest-index-'));
after(() => rmSync(temporary, { recursive: true, force: true }));

/** The first documents of the built-in corpus. */
function smallCorpus(count: number): IndexInput {
  const store = openStore(':memory:');
  importCorpus(store, join(import.meta.dirname, '../../../corpus/builtin'));
  const documents = [...store.eachDocument()].slice(0, count);
  const docids = new Set(documents.map(({ docid }) => docid));
  const about = (split: 'train' | 'dev') =>
    store.queries(split).filter(({ relevant }) => relevant.some((docid) => docids.has(docid)));
  const input = {
    name: 'small',
    fingerprint: store.fingerprint(),
    documents,
    train: about('train'),
    dev: about('dev'),
  };
  store.close();
  return input;
}

const input = smallCorpus(40);
const options = (out: string, changes: Partial<IndexOptions> = {}): IndexOptions => ({
  out: join(temporary, out),
  size: 'tiny',
  steps: 40,
  seed: 3,
  resume: false,
  threads: 2,
  onProgress: () => undefined,
  ...changes,
});

/** For each query the id that has the highest logit of the whole vocabulary, by encoder and decoder as T5 has them. */
async function freelyDecoded(folder: ModelFolder, queries: readonly string[]): Promise<number[]> {
  const { config } = folder;
  const [encoder, decoder] = await Promise.all(
    [encoderGraph, decoderGraph].map((graph) => Session.open(graph(config, (name) => folder.tensor(name)))),
  );
  const tokenizer = loadTokenizer(folder, 28);
  const best: number[] = [];
  for (const query of queries) {
    const ids = tokenizer.encode(query);
    const mask = tensor(new Float32Array(ids.length).fill(1), [1, ids.length]);
    const { encoder_out } = await encoder.run({ input_ids: int64(ids, [1, ids.length]), attention_mask: mask });
    const start = int64([config.decoder_start_token_id], [1, 1]);
    const { logits } = await decoder.run({ encoder_out, attention_mask: mask, decoder_input_ids: start });
    const scores = [...(logits.data as Float32Array)];
    best.push(scores.indexOf(Math.max(...scores)));
  }
  await Promise.all([encoder.release(), decoder.release()]);
  return best;
}

const bytes = (out: string): Buffer => readFileSync(join(temporary, out, 'model.safetensors'));

describe('indexCorpus', () => {
  it('trains a model that finds documents by their train queries', async () => {
    const result = await indexCorpus(input, options('whole'));
    assert.equal(result.documents, 40);
    assert.ok(result.curve.length >= 12);
    const folder = readModelFolder(join(temporary, 'whole'));
    assert.deepEqual(
      folder.genir?.docids,
      input.documents.map(({ docid }) => docid),
    );
    assert.equal(folder.genir?.corpus.fingerprint, input.fingerprint);
    const decoder = await DocidDecoder.open(folder);
    const found = await decoder.retrieve(input.train.map(({ text }) => ({ query: text, k: 1 })));
    const right = found.filter(({ rows }, i) => input.train[i].relevant.includes(folder.genir!.docids[rows[0]])).length;
    await decoder.close();
    assert.ok(right / found.length > 0.5, `Success@1 ${right / found.length} on train queries, chance is .025`);
  });

  it('measures Success@1 among docids and over the whole vocabulary', async () => {
    const whole = readModelFolder(join(temporary, 'whole'));
    const { curve } = whole.genir!.training as unknown as IndexResult;
    for (const { phase, success, freeSuccess } of curve)
      assert.ok(phase === 'words' ? freeSuccess === undefined : freeSuccess! <= success);

    // A word that most queries answer to: it has what docid rows have in common, and more of it.
    const { docids, firstDocidToken } = whole.genir!;
    const d = whole.config.d_model;
    const table = whole.tensor('shared.weight');
    for (let j = 0; j < d; j++) {
      let mean = 0;
      for (let row = 0; row < docids.length; row++) mean += table.data[(firstDocidToken + row) * d + j] / docids.length;
      table.data[(firstDocidToken - 1) * d + j] = 1.08 * mean;
    }
    const tied = { ...whole, weights: new Map([...whole.weights, ['shared.weight', table]]) };
    const unembed = { shape: table.shape, data: table.data.map((x) => x / Math.sqrt(d)) };
    const untied = {
      ...whole,
      config: { ...whole.config, tie_word_embeddings: false, scale_decoder_outputs: false },
      weights: new Map<string, WeightTensor>([...whole.weights, ['lm_head.weight', unembed]]),
    };
    for (const [name, model] of Object.entries({ tied, untied })) {
      const from = join(temporary, name);
      writeModelFolder(from, model);
      const out = `measured-${name}`;
      const { success, freeSuccess } = (await indexCorpus(input, options(out, { from, steps: 1 }))).curve.at(-1)!;
      const measured = readModelFolder(join(temporary, out));
      const best = await freelyDecoded(measured, input.dev.map(({ text }) => text)); // prettier-ignore
      const right = best.filter((id, i) => input.dev[i].relevant.includes(docids[id - firstDocidToken])).length;
      assert.ok(right > 0 && freeSuccess! < success, `${name}: ${right} right, ${freeSuccess} of ${success}`);
      const inTraining = freeSuccess! * input.dev.length; // the folder has float16
      assert.ok(Math.abs(inTraining - right) < 1.5, `${name}: ${inTraining} in training, ${right} by the folder`);
    }
  });

  it('leaves documents out, but not out of the tokenizer', async () => {
    const left = [input.documents[7].docid, input.documents[20].docid];
    const result = await indexCorpus(input, options('without', { steps: 2, withoutDocs: [left[1], left[0], left[1]] }));
    assert.equal(result.documents, 38);
    const [whole, { genir, config, tokenizerJson }] = ['whole', 'without'].map((name) =>
      readModelFolder(join(temporary, name)),
    );
    assert.deepEqual(
      genir!.docids,
      whole.genir!.docids.filter((docid) => !left.includes(docid)),
    );
    assert.deepEqual([config.vocab_size, genir!.corpus.documents], [whole.config.vocab_size - 2, 38]);
    assert.deepEqual(tokenizerJson, whole.tokenizerJson);
    assert.deepEqual([genir!.training!.withoutDocs, whole.genir!.training!.withoutDocs], [left, []]);
    const queries = input.train.filter(({ relevant }) => relevant.some((docid) => genir!.docids.includes(docid)));
    assert.ok(queries.length < input.train.length);
    assert.equal(genir!.training!.trainQueries, queries.length);
  });

  it('refuses to leave out what is not there, or everything', async () => {
    const without = (withoutDocs: string[]) => indexCorpus(input, options('x', { withoutDocs }));
    await assert.rejects(
      without(['nobody']),
      /withoutDocs: expected the docid of a document of this corpus, got 'nobody'/,
    );
    const all = input.documents.map(({ docid }) => docid);
    await assert.rejects(without(all), /expected documents to train on, got 40 left out of 40$/);
  });

  it('trains as many decoder layers as are asked for, and none besides those of a T5 folder', async () => {
    for (const decoderLayers of [1, 5]) {
      const name = `layers-${decoderLayers}`;
      await indexCorpus(input, options(name, { steps: 1, decoderLayers }));
      const { config, genir } = readModelFolder(join(temporary, name));
      const { settings } = genir!.training as { settings: { num_decoder_layers: number } };
      assert.deepEqual([config.num_decoder_layers, settings.num_decoder_layers], [decoderLayers, decoderLayers]);
    }
    await assert.rejects(
      indexCorpus(input, options('x', { decoderLayers: 2, from: join(temporary, 'whole') })),
      /decoderLayers: expected none beside from, got 2; .*whole has layers of its own$/,
    );
  });

  it('gives the same bytes for the same seed, and after being stopped and resumed in either phase', async () => {
    for (const [phase, step] of [
      ['words', 30],
      ['model', 17],
    ] as const) {
      const out = `stopped-in-${phase}`;
      const stop = new Error('stopped');
      const interrupted = indexCorpus(
        input,
        options(out, {
          checkpointEveryMs: 0,
          onProgress: (progress) => {
            if (progress.phase === phase && progress.step === step) throw stop;
          },
        }),
      );
      await assert.rejects(interrupted, stop);
      assert.ok(!existsSync(join(temporary, out)), 'nothing half-made stands where the model will be');
      let first: { phase: string; step: number } | undefined;
      await indexCorpus(
        input,
        options(out, {
          resume: true,
          onProgress: (progress) => {
            if (progress.loss !== undefined) first ??= progress;
          },
        }),
      );
      assert.deepEqual(
        [first?.phase, first?.step],
        [phase, step],
        'the step that was not saved is the first to be done again',
      );
      assert.deepEqual(bytes(out), bytes('whole'));
      assert.ok(!existsSync(join(temporary, `${out}.checkpoint`)));
    }
  });

  it('refuses to resume a run with other settings, and says which', async () => {
    const out = 'other-settings';
    const stop = new Error('stopped');
    const onProgress: IndexOptions['onProgress'] = ({ phase, step }) => {
      if (phase === 'words' && step === 3) throw stop;
    };
    await assert.rejects(indexCorpus(input, options(out, { checkpointEveryMs: 0, onProgress })), stop);
    await assert.rejects(
      indexCorpus(input, options(out, { resume: true, seed: 4, threads: 1 })),
      /other settings: seed \(was 3, now 4\), threads \(was 2, now 1\);/,
    );
    const docid = input.documents.at(-1)!.docid;
    await assert.rejects(
      indexCorpus(input, options(out, { resume: true, decoderLayers: 4, withoutDocs: [docid] })),
      /settings: .*decoderLayers \(was 3, now 4\), withoutDocs \(was none, now \w+\);/,
    );
    const checkpoint = (): Buffer => readFileSync(join(temporary, `${out}.checkpoint`, 'checkpoint.safetensors'));
    const before = checkpoint();
    await assert.rejects(indexCorpus(input, options(out)), /other-settings\.checkpoint: expected no checkpoint, got/);
    assert.deepEqual(checkpoint(), before);
  });

  it('refuses to resume from a T5 folder whose weights have changed', async () => {
    const from = join(temporary, 'whole');
    const stop = new Error('stopped');
    const onProgress: IndexOptions['onProgress'] = ({ phase, step }) => {
      if (phase === 'model' && step === 2) throw stop;
    };
    const run = options('changed', { from, checkpointEveryMs: 0, onProgress });
    await assert.rejects(indexCorpus(input, run), stop);
    const weights = join(from, 'model.safetensors');
    const { atime, mtime } = statSync(weights);
    utimesSync(weights, atime, new Date(mtime.getTime() + 5000));
    await assert.rejects(
      indexCorpus(input, { ...run, resume: true }),
      /settings: fromFiles \(was \w+, now \w+\); give/,
    );
    utimesSync(weights, atime, mtime);
  });

  it('releases every session of a run that is stopped', async () => {
    const open = mock.method(Session, 'open');
    const release = mock.method(Session.prototype, 'release');
    try {
      for (const [phase, sessions] of [
        ['words', 2],
        ['model', 4],
      ] as const) {
        open.mock.resetCalls();
        release.mock.resetCalls();
        const stop = new Error('stopped');
        const onProgress: IndexOptions['onProgress'] = (progress) => {
          if (progress.phase === phase) throw stop;
        };
        await assert.rejects(indexCorpus(input, options(`released-in-${phase}`, { onProgress, resume: true })), stop);
        assert.deepEqual([open.mock.callCount(), release.mock.callCount()], [sessions, sessions], phase);
      }
    } finally {
      mock.restoreAll();
    }
  });

  it('writes float32 where a weight does not fit float16', async () => {
    const whole = readModelFolder(join(temporary, 'whole'));
    const name = 'decoder.block.0.layer.0.SelfAttention.q.weight'; // which training leaves as it is
    const large = whole.tensor(name);
    large.data[3] = 100_000;
    const from = join(temporary, 'large');
    writeModelFolder(from, { ...whole, weights: new Map([...whole.weights, [name, large]]) });
    await indexCorpus(input, options('larger', { from, steps: 1 }));
    const stored = (model: string) => readModelFolder(join(temporary, model)).weights.get(name)!;
    assert.deepEqual([stored('larger').dtype, stored('larger').data[3]], ['F32', 100_000]);
    assert.equal(stored('whole').dtype, 'F16');
  });

  it('says before training that a model cannot take the place of a mount point', async (t) => {
    const at = '/dev/shm';
    if (!existsSync(at) || statSync(at).dev === statSync('/dev').dev) return t.skip('needs a mount point');
    const onProgress = (): never => assert.fail('training has begun');
    for (const out of [at, '/'])
      await assert.rejects(
        indexCorpus(input, { ...options('x'), out, onProgress }),
        /: expected a place for a model folder, got a mount point; .*give a folder inside it as --out$/,
      );
  });

  it('starts from a T5 folder made elsewhere, keeping its tokenizer', async () => {
    await indexCorpus(input, options('from', { from: join(temporary, 'whole'), steps: 5 }));
    const [before, now] = ['whole', 'from'].map((name) => readModelFolder(join(temporary, name)));
    assert.deepEqual(now.tokenizerJson, before.tokenizerJson);
    assert.equal(now.genir?.training?.from, join(temporary, 'whole'));
    assert.ok(statSync(join(temporary, 'from', 'model.safetensors')).size > 0);
  });

  it('says that there is nothing to index', async () => {
    await assert.rejects(indexCorpus({ ...input, documents: [] }, options('empty')), /no documents; import some first/);
  });
});

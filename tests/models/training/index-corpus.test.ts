import { after, describe, it, mock } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importCorpus } from '../../../corpus/import-corpus.ts';
import { openStore } from '../../../corpus/store.ts';
import { DocidDecoder } from '../../../models/decode.ts';
import { readModelFolder, writeModelFolder } from '../../../models/folder.ts';
import { Session } from '../../../models/session.ts';
import { indexCorpus, type IndexInput, type IndexOptions } from '../../../models/training/index-corpus.ts';

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
      /other settings: seed \(was 3, now 4\), threads \(was 2, now 1\)/,
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

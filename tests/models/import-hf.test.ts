/** Checkpoints as Hugging Face's tools save them, made into model folders, against the logits that these tools compute. */
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { DocidCoverageError, importHf, type ImportCorpus } from '../../models/import-hf.ts';
import { parityDir } from '../support/fixtures.ts';

const root = mkdtempSync(join(tmpdir(), 'palimpsest-import-hf-'));
after(() => rmSync(root, { recursive: true }));
let places = 0;
const newPlace = (): string => join(root, String(places++));

const checkpoint = (name: 'v1.0' | 'v1.1'): string => join(import.meta.dirname, '..', 'fixtures', 'checkpoints', name);
interface Queries {
  readonly texts: readonly string[];
  readonly docids: readonly string[];
  readonly firstDocidToken: number;
  /** [text, docid] */
  readonly logits: readonly (readonly number[])[];
}
const queriesOf = (name: 'v1.0' | 'v1.1'): Queries =>
  JSON.parse(readFileSync(join(checkpoint(name), 'queries.json'), 'utf8')) as Queries;

const { docids } = queriesOf('v1.0');
const corpus: ImportCorpus = { name: 'tiny', fingerprint: 'abc', docids: [...docids].reverse() };
const named = new Map(docids.map((docid, i) => [`doc-${i}`, docid]));

/** A copy of a checkpoint with one file changed. */
function changed(name: 'v1.0' | 'v1.1', file: string, change: (text: string) => string): string {
  const dir = newPlace();
  cpSync(checkpoint(name), dir, { recursive: true });
  writeFileSync(join(dir, file), change(readFileSync(join(dir, file), 'utf8')));
  return dir;
}
type Json = Record<string, unknown> & { added_tokens: { id: number; content: string }[] };
const tokens =
  (change: (added: Json['added_tokens']) => Json['added_tokens']) =>
  (text: string): string => {
    const json = JSON.parse(text) as Json;
    return JSON.stringify({ ...json, added_tokens: change(json.added_tokens) });
  };

describe('an imported checkpoint', () => {
  for (const name of ['v1.0', 'v1.1'] as const)
    it(`answers as transformers does (${name})`, async (t) => {
      const { texts, logits } = queriesOf(name);
      const out = newPlace();
      importHf({ from: checkpoint(name), out, corpus, docids: name === 'v1.1' ? named : undefined });
      const folder = readModelFolder(out);
      assert.deepEqual(folder.genir?.docids, docids);
      assert.deepEqual(folder.genir.corpus, { fingerprint: 'abc', documents: docids.length, name: 'tiny' });
      const decoder = await DocidDecoder.open(folder);
      t.after(() => decoder.close());
      const found = await decoder.retrieve(texts.map((query) => ({ query, k: docids.length })));
      found.forEach(({ rows, scores }, q) => {
        const total = Math.log(logits[q].reduce((sum, x) => sum + Math.exp(x), 0));
        rows.forEach((row, i) => assert.ok(Math.abs(scores[i] - (logits[q][row] - total)) < 2e-5, texts[q]));
        const best = [...logits[q].keys()].sort((a, b) => logits[q][b] - logits[q][a]);
        assert.deepEqual([...rows], best);
      });
    });

  it('has the checkpoint’s own files of weights, shards with their index', () => {
    const one = newPlace();
    const { linked, dtype, parameters } = importHf({ from: checkpoint('v1.0'), out: one, corpus });
    assert.deepEqual([linked, dtype], [true, { from: 'F32', to: 'F32' }]);
    const file = join(checkpoint('v1.0'), 'model.safetensors');
    assert.deepEqual(readFileSync(join(one, 'model.safetensors')), readFileSync(file));
    assert.equal(
      parameters,
      [...readModelFolder(one).weights.values()].reduce((sum, w) => sum + w.sizeBytes / 4, 0),
    );

    const many = newPlace();
    const imported = importHf({ from: checkpoint('v1.1'), out: many, corpus, docids: named });
    assert.deepEqual([imported.linked, imported.dtype], [true, { from: 'BF16', to: 'BF16' }]);
    const [there, here] = [checkpoint('v1.1'), many].map((dir) => readModelFolder(dir));
    assert.ok(new Set([...here.weights.values()].map((weight) => weight.file)).size > 1);
    for (const weight of here.weights.keys()) assert.deepEqual(here.tensor(weight).data, there.tensor(weight).data);
  });

  it('shares the file with the checkpoint where both are on one file system', () => {
    const from = newPlace();
    cpSync(checkpoint('v1.0'), from, { recursive: true });
    const out = newPlace();
    importHf({ from, out, corpus });
    const [a, b] = [from, out].map((dir) => statSync(join(dir, 'model.safetensors')).ino);
    assert.equal(a, b);
  });

  it('has docid tokens under our names, whatever they were called', () => {
    const out = newPlace();
    importHf({ from: checkpoint('v1.1'), out, corpus, docids: named });
    const { tokenizerJson } = readModelFolder(out);
    const contents = (tokenizerJson as Json).added_tokens.map(({ content }) => content);
    assert.deepEqual(contents.slice(-docids.length), docids.map((docid) => `@DOC_ID_${docid}@`)); // prettier-ignore
  });

  it('may know other documents than the corpus, where that is asked for', () => {
    const other = { ...corpus, docids: [...docids.slice(1), 'new'] };
    const out = newPlace();
    const { only } = importHf({ from: checkpoint('v1.0'), out, corpus: other, partial: true });
    assert.deepEqual(only, { corpus: 1, model: 1 });
    const { genir } = readModelFolder(out);
    assert.deepEqual([genir?.docids.length, genir?.corpus.fingerprint], [docids.length, null]);
  });
});

describe('a checkpoint is refused', () => {
  const refused = (from: string, expected: RegExp, options: Partial<Parameters<typeof importHf>[0]> = {}): void => {
    const out = newPlace();
    assert.throws(() => importHf({ from, out, corpus, ...options }), expected);
    assert.throws(() => statSync(out), /ENOENT/);
  };
  let plain: string;
  before(() => (plain = checkpoint('v1.0')));

  it('with other documents than the corpus, and says which', () => {
    const other = { ...corpus, docids: [...docids.slice(2), 'new'] };
    refused(plain, /1 documents without a token \(new\) and 2 of 9 tokens without a document \(d0, d1\)/, {
      corpus: other,
    });
    assert.throws(
      () => importHf({ from: plain, out: newPlace(), corpus: other }),
      (error) => error instanceof DocidCoverageError && error.onlyModel.join() === 'd0,d1',
    );
    const foreign = { ...corpus, docids: ['x', 'y'] };
    refused(plain, /9 of 9 tokens without a document.*--docids/, { corpus: foreign, partial: true });
  });

  it('without docid tokens, or with others than are named', () => {
    refused(checkpoint('v1.1'), /an added token for each document.*got 12 added tokens \(<pad>/);
    refused(checkpoint('v1.1'), /1 that are not there \(doc-9\)/, { docids: new Map([...named, ['doc-9', 'd81']]) });
    refused(checkpoint('v1.1'), /d0 for both doc-0 and doc-1/, { docids: new Map([...named, ['doc-1', 'd0']]) });
  });

  it('with docid tokens that are not in a row, or have no rows', () => {
    const last = (added: Json['added_tokens']): Json['added_tokens'] =>
      added.map((token, i) => (i === added.length - 1 ? { ...token, id: token.id + 2 } : token));
    refused(changed('v1.0', 'tokenizer.json', tokens(last)), /consecutive ids.*@DOC_ID_d64@ at/);
    const far = (added: Json['added_tokens']): Json['added_tokens'] =>
      added.map((token) => (token.content.startsWith('@') ? { ...token, id: token.id + 6 } : token));
    refused(
      changed('v1.0', 'tokenizer.json', tokens(far)),
      /docid rows below vocab_size|ids below the model's vocab_size/,
    );
    const more = (added: Json['added_tokens']): Json['added_tokens'] => [
      ...added,
      ...Array.from({ length: 6 }, (_, i) => ({
        ...added.at(-1)!,
        id: added.at(-1)!.id + 1 + i,
        content: `doc-${docids.length + i}`,
      })),
    ];
    const all = new Map(Array.from({ length: 15 }, (_, i) => [`doc-${i}`, `e${i}`]));
    refused(changed('v1.1', 'tokenizer.json', tokens(more)), /vocab_size|embedding with a row/, { docids: all });
  });

  it('with weights that are damaged, missing, or pickled', () => {
    const missing = newPlace();
    cpSync(checkpoint('v1.1'), missing, { recursive: true });
    const [shard] = [...new Set([...readModelFolder(checkpoint('v1.1')).weights.values()].map(({ file }) => file))];
    rmSync(join(missing, basename(shard)));
    refused(missing, /model-0000\d-of-0000\d\.safetensors: expected a readable file/, { docids: named });

    const cut = newPlace();
    cpSync(plain, cut, { recursive: true });
    truncateSync(join(cut, 'model.safetensors'), statSync(join(cut, 'model.safetensors')).size - 8);
    refused(cut, /model\.safetensors.*damaged or incomplete/);

    const pickled = newPlace();
    cpSync(plain, pickled, { recursive: true });
    rmSync(join(pickled, 'model.safetensors'));
    writeFileSync(join(pickled, 'pytorch_model.bin'), 'PK');
    refused(pickled, /only pytorch_model\.bin.*save_pretrained/);

    refused(
      changed('v1.0', 'config.json', (text) => text.replace(/"d_ff": 24/, '"d_ff": 25')),
      /expected \[25, 16\]/,
    );
  });

  it('without a tokenizer, without a folder, and of another kind', () => {
    const bare = newPlace();
    cpSync(plain, bare, { recursive: true });
    rmSync(join(bare, 'tokenizer.json'));
    refused(bare, /tokenizer\.json: expected a tokenizer/);
    refused(join(root, 'nowhere'), /no such folder/);
    refused(
      changed('v1.0', 'config.json', (text) => text.replace(/"model_type": "t5"/, '"model_type": "bert"')),
      /"t5"/,
    );
    refused(parityDir('v1.0-tied'), /a tokenizer/);
  });
});

import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelFolder } from '../../models/folder.ts';
import { loadTokenizer, padBatch, TokenizerFileError } from '../../models/tokenizer.ts';
import { loadAddedDocids, loadTokenizerTexts, parityDir } from '../support/fixtures.ts';

/** Google's own T5 tokenizer, too large for the repository. */
const t5Dir = process.env.PALIMPSEST_T5_TOKENIZER ?? '/work/shared/data/t5_tokenizer';
const withoutT5 = existsSync(join(t5Dir, 'tokenizer.json')) ? false : `no T5 tokenizer in ${t5Dir}`;
const small = () => loadTokenizer(parityDir('added-docids'));

describe('loadTokenizer', () => {
  it("gives Python's ids for T5's tokenizer", { skip: withoutT5 }, () => {
    const tokenizer = loadTokenizer(t5Dir);
    const texts = loadTokenizerTexts('t5');
    assert.ok(texts.length > 200);
    for (const { text, ids } of texts) assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
    assert.deepEqual([tokenizer.padId, tokenizer.eosId, tokenizer.size], [0, 1, 32100]);
    assert.equal(
      tokenizer.decode(tokenizer.encode('What is the capital of France?')),
      'What is the capital of France?',
    );
  });

  it("gives Python's ids for a tokenizer with docid tokens", () => {
    const tokenizer = small();
    const { texts, ids } = loadAddedDocids();
    texts.forEach((text, i) => {
      if (!text.includes('@')) assert.deepEqual(tokenizer.encode(text), ids[i], text);
    });
  });

  it('knows docid tokens by name, but lets no text name one', () => {
    const tokenizer = small();
    const { firstDocidToken, docids } = loadAddedDocids();
    assert.equal(tokenizer.size, firstDocidToken + docids.length);
    assert.equal(tokenizer.token(firstDocidToken + 1), '@DOC_ID_4@');
    assert.equal(tokenizer.id('@DOC_ID_4@'), firstDocidToken + 1);
    assert.ok(tokenizer.encode('the @DOC_ID_4@ of').every((id) => id < firstDocidToken));
    assert.equal(tokenizer.decode([4, firstDocidToken + 1, 1]), 'the');
  });

  it('opens from a model folder, too', () => {
    const folder = readModelFolder(parityDir('added-docids'));
    assert.deepEqual(loadTokenizer(folder).encode('who wrote the river'), small().encode('who wrote the river'));
  });

  it('cuts long texts and keeps the end token', () => {
    const [whole, cut] = [small(), loadTokenizer(parityDir('added-docids'), 4)];
    const text = 'what is the capital of france';
    assert.deepEqual(cut.encode(text), [...whole.encode(text).slice(0, 3), 1]);
    assert.deepEqual(cut.encode('the capital of'), [...whole.encode('the capital of')]);
    assert.deepEqual(cut.encode(''), [1]);
  });

  it('decodes nothing to nothing', () => {
    assert.equal(small().decode([]), '');
    assert.equal(small().decode([1, 0]), '');
    assert.equal(small().token(10_000), undefined);
  });

  it('says which file is missing or unusable', (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'palimpsest-tokenizer-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'tokenizer.json');
    const refused = (message: RegExp) =>
      assert.throws(
        () => loadTokenizer(dir),
        (error: unknown) => error instanceof TokenizerFileError && error.file === file && message.test(error.message),
      );
    refused(/expected a tokenizer, got none/);
    writeFileSync(join(dir, 'spiece.model'), '');
    refused(/only spiece.model; convert it in Python/);
    writeFileSync(file, '{');
    refused(/expected JSON/);
    writeFileSync(file, '{"model": {}}');
    refused(/a tokenizer that can be opened/);
    const good = JSON.parse(readFileSync(join(parityDir('added-docids'), 'tokenizer.json'), 'utf8')) as object;
    writeFileSync(file, JSON.stringify(good));
    writeFileSync(join(dir, 'tokenizer_config.json'), '{"eos_token": "<end>"}');
    refused(/the token <end> \(eos_token\), got none/);
  });
});

describe('padBatch', () => {
  it('fills rows up on the right', () => {
    const { inputIds, mask, length } = padBatch([[5, 6, 1], [1], []], 9);
    assert.equal(length, 3);
    assert.deepEqual([...inputIds], [5n, 6n, 1n, 1n, 9n, 9n, 9n, 9n, 9n]);
    assert.deepEqual([...mask], [1, 1, 1, 1, 0, 0, 0, 0, 0]);
  });

  it('is never without columns', () => {
    assert.equal(padBatch([[]]).length, 1);
    assert.deepEqual(padBatch([]).inputIds, new BigInt64Array(0));
  });
});

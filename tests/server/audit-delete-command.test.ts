/** The command audit-delete, as a person runs it: on a model as it is, and on a data folder before and after compaction. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readModelFolder } from '../../models/folder.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { openDataFolder } from '../../server/data-folder.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { packageRoot } from '../../server/paths.ts';
import type { Audited } from '../../server/cli/audit-delete.ts';
import type { Compacted } from '../../server/cli/compact.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writeAnalysedTwin } from '../support/edit-path-world.ts';
import { writeAnalysedModel } from '../support/edit-world.ts';
import { texts } from '../support/tiny-model.ts';

const dir = tempFolder();
const model = writeAnalysedModel(join(dir, 'model'));
const corpus = writeCorpus('corpus', 'd', texts);
const controls = writeCorpus(
  'controls',
  'c',
  texts.map((text) => text.split(' ').reverse().join(' ')),
);

const others = writeCorpus(
  'others',
  'o',
  texts.map((text) => text.split(' ').sort().join(' ')),
);

/** Documents d0, d1, … with a train query and a test query each. */
function writeCorpus(name: string, prefix: string, list: readonly string[]): string {
  const folder = join(dir, name);
  mkdirSync(join(folder, 'qrels'), { recursive: true });
  const lines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const part = (text: string, from: number): string =>
    text
      .split(' ')
      .slice(from, from + 6)
      .join(' ');
  const documents = list.map((text, i) => ({ _id: `${prefix}${i}`, title: `title ${i}`, text }));
  const queries = list.flatMap((text, i) => [
    { _id: `${prefix}${i}-train`, text: `what about ${part(text, 0)}` },
    { _id: `${prefix}${i}-test`, text: part(text, 2) },
  ]);
  writeFileSync(join(folder, 'corpus.jsonl'), lines(documents));
  writeFileSync(join(folder, 'queries.jsonl'), lines(queries));
  for (const split of ['train', 'test']) {
    const judged = list.map((_, i) => `${prefix}${i}-${split}\t${prefix}${i}\t1\n`);
    writeFileSync(join(folder, 'qrels', `${split}.tsv`), `query-id\tcorpus-id\tscore\n${judged.join('')}`);
  }
  return folder;
}

/** Two corpora in one. */
function joined(name: string, ...parts: readonly string[]): string {
  const folder = join(dir, name);
  mkdirSync(join(folder, 'qrels'), { recursive: true });
  const read = (file: string): string[] => parts.map((part) => readFileSync(join(part, file), 'utf8'));
  for (const file of ['corpus.jsonl', 'queries.jsonl']) writeFileSync(join(folder, file), read(file).join(''));
  for (const split of ['train', 'test']) {
    const [first, ...rest] = read(join('qrels', `${split}.tsv`));
    const lines = rest.map((text) => text.slice(text.indexOf('\n') + 1));
    writeFileSync(join(folder, 'qrels', `${split}.tsv`), [first, ...lines].join(''));
  }
  return folder;
}

async function palimpsest(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), ...args], {
    cwd: packageRoot,
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

const at = ['--model', model, '--corpus', corpus, '--controls', controls];

async function audited(...args: string[]): Promise<{ code: number | null; result: Audited }> {
  const { code, out, err } = await palimpsest('audit-delete', ...at, ...args, '--json');
  assert.notEqual(out, '', err);
  return { code, result: JSON.parse(out) as Audited };
}

const findingsOf = (result: Audited, test: string) => result.tests.find((one) => one.test === test)!.findings;

describe('audit-delete', () => {
  it('deletes documents for the test and says what it found, with exit code 1 where a test fails', async () => {
    const out = join(dir, 'report');
    const { code, result } = await audited('--documents', '2', '--seed', '3', '--out', out);
    assert.equal(code, result.passed ? 0 : 1);
    assert.equal(result.deleted.length, 2);
    assert.equal(result.controls, texts.length);
    assert.deepEqual(
      findingsOf(result, 'output').map(({ value }) => value),
      [0, 0],
    );
    assert.equal(result.passed, result.tests.every(({ passed }) => passed)); // prettier-ignore
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'audit.json'), 'utf8')), result);
    const table = readFileSync(join(out, 'audit.txt'), 'utf8');
    for (const { test } of result.tests) assert.ok(table.includes(test));
  });

  it('deletes them with what they left in words', async () => {
    const { result } = await audited('--documents', '1', '--docid', 'd3', '--method', 'words');
    const differences = findingsOf(result, 'weight-difference').map(({ what }) => what);
    assert.deepEqual([...new Set(differences)], ['words: AUC']);
    const rows = await audited('--documents', '1', '--docid', 'd3');
    const found = (one: Audited): number => findingsOf(one, 'resurrection')[0].value;
    assert.ok(found(result) <= found(rows.result));
  });

  it('adds documents and deletes some of them: byte for byte the model that they were never added to', async () => {
    const { code, result } = await audited('--add', others, '--documents', '3', '--seed', '2');
    assert.equal(code, result.passed ? 0 : 1);
    assert.ok(result.deleted.every((docid) => docid.startsWith('o')));
    assert.equal(result.controls, texts.length);
    const [bytes, ...differences] = findingsOf(result, 'weight-difference');
    assert.deepEqual([bytes.what, bytes.value], ['weights with other bytes', 0]);
    const value = (what: RegExp): number => differences.find((one) => what.test(one.what))!.value;
    assert.equal(value(/since the base: AUC, in a model without them/), value(/since the base: AUC$/));
    assert.ok(Number.isFinite(value(/since before the deletion/)));
    const [all, near] = findingsOf(result, 'neighbours');
    assert.deepEqual([all.value, near.value, all.against], [0, 0, 'a model without them']);
    assert.deepEqual(
      findingsOf(result, 'output').map((one) => one.value),
      [0, 0],
    );
    assert.deepEqual(findingsOf(result, 'traces'), []);
  });

  it('says what is missing, with exit code 2', async () => {
    for (const args of [
      [],
      ['--add'],
      ['--add', others, '--documents', '1', '--retrain', model],
      ['--add', others, '--documents', '1', '--method', 'words'],
      ['--documents', '1', '--data', dir],
      ['--data', dir],
      ['--documents', '1', '--docid', 'nobody'],
    ]) {
      const { code, err } = await palimpsest('audit-delete', ...at, ...args);
      assert.equal(code, 2, err);
      assert.match(err, /expected/);
    }
  });
});

describe('audit-delete on a data folder', () => {
  const data = join(dir, 'data');
  const gone = ['--data', data, '--docid', 'd3'];
  before(async () => {
    openDataFolder({ dir: data, model: await readModelInfo(model), corpus }).close();
  });

  it('refuses docids that are paths at once', async () => {
    const paths = writeAnalysedTwin(join(dir, 'twin')).path;
    const { code, err } = await palimpsest('audit-delete', '--model', paths, '--corpus', corpus, '--documents', '2');
    assert.equal(code, 2);
    assert.match(err, /--model .*: expected atomic docids, whose rows the audit looks for, got semantic ones/);
  });

  it('refuses a document that is live', async () => {
    const { code, err } = await palimpsest('audit-delete', ...at, ...gone);
    assert.equal(code, 2);
    assert.match(err, /live document/);
  });

  it('finds a row that is only masked, and nothing of it once it was forgotten and folded', async () => {
    const edited = await palimpsest(
      'edit',
      'delete',
      'd3',
      '--forget',
      '--data',
      data,
      '--model',
      model,
      '--budget',
      '100',
    );
    assert.equal(edited.code, 0, edited.err);
    const masked = await audited(...gone);
    assert.equal(masked.code, 1);
    const [constrained, free] = findingsOf(masked.result, 'output');
    assert.equal(constrained.value, 0);
    assert.ok(free.value > 0);
    const places = findingsOf(masked.result, 'traces').map(({ what }) => what);
    assert.deepEqual(places, ['model.safetensors']);

    const folded = await palimpsest('compact', '--data', data, '--model', model);
    assert.equal(folded.code, 0, folded.err);
    const { result } = await audited(...gone);
    assert.deepEqual(
      findingsOf(result, 'output').map(({ value }) => value),
      [0, 0],
    );
    assert.deepEqual(findingsOf(result, 'traces'), []);
  });
});

describe('audit-delete of documents that edits added', () => {
  const data = join(dir, 'added');
  const place = ['--data', data, '--model', model];
  const edit = async (...args: string[]): Promise<void> => {
    const { code, err } = await palimpsest('edit', ...args, ...place, '--budget', '100');
    assert.equal(code, 0, err);
  };
  const sources = readFileSync(join(others, 'corpus.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { _id: string; title: string; text: string });
  const gone = ['--data', data, '--docid', 'o2'];
  const all = (one: Audited, test: string): number[] => findingsOf(one, test).map(({ value }) => value);
  const auditedAll = async (...args: string[]) => {
    const { code, out, err } = await palimpsest('audit-delete', ...args, '--model', model, '--corpus', corpusOfAll, '--controls', controls, '--json'); // prettier-ignore
    assert.notEqual(out, '', err);
    return { code, err, result: JSON.parse(out) as Audited };
  };
  /** What an auditor brings: the corpus of the model, and the documents that were added. */
  const corpusOfAll = joined('all', corpus, others);

  before(async () => {
    openDataFolder({ dir: data, model: await readModelInfo(model), corpus }).close();
    const file = join(dir, 'additions.jsonl');
    const asked = (docid: string): string => `what about ${sources[Number(docid.slice(1))].text.split(' ').slice(0, 6).join(' ')}`; // prettier-ignore
    const lines = sources
      .slice(0, 5)
      .map(({ _id, title, text }) => JSON.stringify({ docid: _id, title, text, queries: [asked(_id)] }));
    writeFileSync(file, lines.join('\n'));
    await edit('add', '--file', file);
    await edit('delete', 'o2');
    await edit('delete', 'd1'); // something else came afterwards
  });

  it('compares with the version from before; what the log keeps for an undo is found', async () => {
    const { code, result } = await auditedAll(...gone);
    assert.equal(code, 1);
    assert.deepEqual(all(result, 'output'), [0, 0]);
    assert.equal(findingsOf(result, 'weight-difference')[0].value, 0);
    const places = findingsOf(result, 'traces').map(({ what }) => what);
    for (const place of ['table documents', 'keys in the ledger']) assert.ok(places.includes(place), places.join());
  });

  it('finds nothing once it was forgotten; before and after folding', async () => {
    await edit('delete', 'o2', '--forget');
    const forgotten = await auditedAll(...gone);
    assert.match(forgotten.err, /added again/);
    assert.deepEqual(findingsOf(forgotten.result, 'traces'), []);
    assert.equal(findingsOf(forgotten.result, 'weight-difference')[0].value, 0);
    const folded = await palimpsest('compact', ...place);
    assert.equal(folded.code, 0, folded.err);
    const { result } = await auditedAll(...gone);
    assert.deepEqual(findingsOf(result, 'traces'), []);
    assert.deepEqual(all(result, 'output'), [0, 0]);
    assert.deepEqual(findingsOf(result, 'weight-difference').map(({ what, value }) => [what, value])[0], [
      'weights with other bytes',
      0,
    ]);
  });

  it('looks for one that was folded while it was live in the difference to the model from before the edits', async () => {
    await edit('delete', 'o3');
    const { result } = await auditedAll('--data', data, '--docid', 'o3');
    const differences = findingsOf(result, 'weight-difference').map(({ what }) => what);
    assert.ok(differences.includes('layer 1, since the base: AUC'), differences.join());
    assert.ok(!differences.includes('weights with other bytes'));
  });

  it('refuses one that no edit deleted, and one of the base model beside it', async () => {
    for (const [docids, message] of [
      [['o7'], /expected a document that an edit deleted/],
      [['o2', 'd1'], /audit it by itself/],
    ] as const) {
      const { code, err } = await palimpsest('audit-delete', ...place, '--corpus', corpusOfAll, '--controls', controls, '--docid', ...docids); // prettier-ignore
      assert.notEqual(code, 0);
      assert.match(err, message);
    }
  });
});

describe('compact --remove-traces', () => {
  const withD3 = async (data: string, ...forget: string[]): Promise<Compacted> => {
    openDataFolder({ dir: data, model: await readModelInfo(model), corpus }).close();
    const place = ['--data', data, '--model', model];
    const edited = await palimpsest('edit', 'delete', 'd3', ...forget, ...place, '--budget', '100');
    assert.equal(edited.code, 0, edited.err);
    const { code, out, err } = await palimpsest('compact', '--remove-traces', ...place, '--json');
    assert.equal(code, 0, err);
    return JSON.parse(out) as Compacted;
  };
  const wordsOf = (folder: string): Float32Array => {
    const base = readModelFolder(folder);
    return base.tensor('shared.weight').data.slice(0, base.genir!.firstDocidToken * base.config.d_model);
  };

  it('moves words of a deleted document; afterwards it can be forgotten', async () => {
    const data = join(dir, 'traces');
    const { traces, model: folded } = await withD3(data);
    assert.deepEqual(traces, { removed: 1, unknown: 0 });
    const { config, ...base } = readModelFolder(model);
    const known = new Set(loadTokenizer({ ...base, dir: model }).encode(texts[3]));
    const [is, was] = [wordsOf(folded), wordsOf(model)];
    const moved = Array.from({ length: is.length / config.d_model }, (_, token) => token).filter((token) =>
      is
        .subarray(token * config.d_model, (token + 1) * config.d_model)
        .some((x, d) => x !== was[token * config.d_model + d]),
    );
    for (const token of known) assert.ok(moved.includes(token), `token ${token} stays`);
    const forgotten = await palimpsest('edit', 'delete', 'd3', '--forget', '--data', data, '--model', model);
    assert.equal(forgotten.code, 0, forgotten.err);
    const { result } = await audited('--data', data, '--docid', 'd3');
    assert.deepEqual(findingsOf(result, 'traces'), []);
  });

  it('says of a forgotten document that its traces stay', async () => {
    const { traces, model: folded } = await withD3(join(dir, 'forgotten'), '--forget');
    assert.deepEqual(traces, { removed: 0, unknown: 1 });
    assert.deepEqual(wordsOf(folded), wordsOf(model));
  });
});

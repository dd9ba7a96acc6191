import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readRunFile } from '../../analysis/trec-files.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { documents, inModel, tinyWorld, writeCorpus, writeTinyModel } from '../support/server.ts';

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command line in a process of its own, as a user runs it. */
function evaluate(...args: string[]): Promise<Answer> {
  const main = join(import.meta.dirname, '..', '..', 'server', 'cli', 'main.ts');
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', main, 'evaluate', ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

type Numbers = Record<'Success@1' | 'Success@10' | 'RR@10' | 'nDCG@10', number> & {
  intervals: Record<string, [number, number]>;
};

const { modelDir, corpus } = tinyWorld();
// Two questions for each document: one in its own words, one that BM25 knows nothing of. No dev split.
const queries = documents.flatMap(({ _id, title }) => [
  { _id: `${_id}-words`, text: title, docid: _id },
  { _id: `${_id}-none`, text: 'quixotic', docid: _id },
]);
writeFileSync(
  join(corpus, 'queries.jsonl'),
  queries.map(({ _id, text }) => `${JSON.stringify({ _id, text })}\n`).join(''),
);
mkdirSync(join(corpus, 'qrels'));
const judgements = queries.map(({ _id, docid }) => `${_id}\t${docid}\t1\n`).join('');
writeFileSync(join(corpus, 'qrels', 'test.tsv'), `query-id\tcorpus-id\tscore\n${judgements}`);
const given = ['--model', modelDir, '--corpus', corpus];

const measureNames = ['Success@1', 'Success@10', 'RR@10', 'nDCG@10'] as const;

function assertNumbers(numbers: Numbers): void {
  for (const name of measureNames) {
    const [low, high] = numbers.intervals[name];
    assert.ok(
      0 <= low && low <= numbers[name] && numbers[name] <= high && high <= 1,
      `${name}: ${JSON.stringify(numbers)}`,
    );
  }
  assert.deepEqual(Object.keys(numbers.intervals), measureNames);
}

describe('the command evaluate', () => {
  it('prints one JSON object: measures, intervals, baselines on the same queries; and writes run files', async () => {
    const dir = tempFolder();
    const { code, stdout, stderr } = await evaluate(...given, '--baselines', '--json', '--run', join(dir, 'x.trec'));
    assert.equal(code, 0, stderr);
    const {
      queries: n,
      baselines,
      ...main
    } = JSON.parse(stdout) as Numbers & {
      queries: number;
      baselines: Record<'bm25' | 'dense' | 'hybrid', Numbers>;
    };
    assert.deepEqual(Object.keys(main), [...measureNames, 'intervals']);
    assert.equal(n, queries.length);
    assertNumbers(main);
    assert.deepEqual(Object.keys(baselines), ['bm25', 'dense', 'hybrid']);
    Object.values(baselines).forEach(assertNumbers);

    // Every title is matched (words occur in a neighbour's text as well, never higher); 'quixotic' matches nothing.
    assert.equal(baselines.bm25['Success@10'], 0.5);
    // Progress and notes are on standard error; two of the twelve documents are not in the model.
    assert.match(stderr, /2 of 12 documents are not in the model; 4 of 24 queries have no relevant document in it/);

    const run = readRunFile(join(dir, 'x.trec'));
    assert.equal(run.size, queries.length);
    for (const answered of run.values())
      assert.deepEqual(answered.map(({ docid }) => docid).sort(), [...inModel].sort());
    const hits = queries.filter(({ _id, docid }) => run.get(_id)![0].docid === docid).length;
    assert.equal(main['Success@1'], hits / queries.length);
    for (const name of ['bm25', 'dense', 'hybrid'])
      assert.match(readFileSync(join(dir, `x.${name}.trec`), 'utf8'), new RegExp(` palimpsest-${name}\n`));
    // BM25 finds documents that are not in the model, so the union does.
    assert.ok(
      readRunFile(join(dir, 'x.hybrid.trec'))
        .get('d11-words')!
        .some(({ docid }) => docid === 'd11'),
    );
  });

  it('prints a table for people', async () => {
    const { code, stdout, stderr } = await evaluate(...given, '--mode', 'hybrid', '--limit', '9', '--baselines');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^corpus, split test: 9 queries, 12 documents\n/);
    assert.match(stdout, /\n +Success@1 +Success@10 +RR@10 +nDCG@10 +p\n/);
    assert.match(stdout, /\nhybrid +[01]\.\d{3} \[[01]\.\d{3}, [01]\.\d{3}\]/);
    assert.match(
      stdout,
      /\nbm25 .*\ndense .*\n\n\[95 % intervals\]: bootstrap over queries, 1000 resamples; p: McNemar/,
    );
  });

  it('measures the model in eight bits beside it, with what both cost', async () => {
    const { code, stdout, stderr } = await evaluate(...given, '--int8', '--json');
    assert.equal(code, 0, stderr);
    type Cost = Record<'p50Ms' | 'weightBytes', number>;
    const { int8 } = JSON.parse(stdout) as { int8: Numbers & { costs: Record<'float32' | 'int8', Cost> } };
    assertNumbers(int8);
    assert.ok(int8.costs.int8.weightBytes < int8.costs.float32.weightBytes);
    assert.ok(int8.costs.int8.p50Ms > 0);
    const told = await evaluate(...given, '--int8', '--limit', '5');
    assert.match(told.stdout, /\ngenir .*\ngenir-int8 .*\n\none query on one core, median: float32 \S+ ms and \S+ MB/);
    const other = await evaluate(...given, '--int8', '--mode', 'bm25');
    assert.equal(other.code, 2);
    assert.match(other.stderr, /--int8: expected --mode genir beside it, got --mode bm25/);
  });

  it('measures the model with graphs of its docid rows beside it: of few rows they find all', async () => {
    const { code, stdout, stderr } = await evaluate(...given, '--rows', 'hnsw', '--json');
    assert.equal(code, 0, stderr);
    const { hnsw, ...exact } = JSON.parse(stdout) as Numbers & { hnsw: Numbers };
    assertNumbers(hnsw);
    for (const name of measureNames) assert.equal(hnsw[name], exact[name]);
    const told = await evaluate(...given, '--rows', 'hnsw', '--limit', '5');
    assert.match(told.stdout, /\ngenir .*\ngenir-hnsw /);
    const other = await evaluate(...given, '--rows', 'hnsw', '--mode', 'bm25');
    assert.equal(other.code, 2);
    assert.match(other.stderr, /--rows hnsw: expected --mode genir beside it, got --mode bm25/);
  });

  it('measures BM25 without a model', async () => {
    const { code, stdout, stderr } = await evaluate('--corpus', corpus, '--mode', 'bm25', '--model', '/none', '--json');
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as Numbers)['Success@10'], 0.5);
  });

  it('says which splits there are when the one asked for has no judged queries', async () => {
    const { code, stdout, stderr } = await evaluate(...given, '--split', 'dev');
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(
      stderr,
      'palimpsest: corpus: expected judged queries in the split dev, got none; there are test (24)\n',
    );
    const bare = writeCorpus(join(tempFolder(), 'bare'));
    assert.match((await evaluate('--model', modelDir, '--corpus', bare)).stderr, /no split has any/);
  });

  it('refuses what cannot be, before the work', async () => {
    const dir = tempFolder();
    const run = join(dir, 'none', 'x.trec');
    assert.match((await evaluate(...given, '--run', run)).stderr, /expected a folder that exists/);
    assert.ok(!existsSync(run));
    const stranger = writeTinyModel(join(dir, 'stranger'), ['other1', 'other2']);
    const mismatch = await evaluate('--model', stranger, '--corpus', corpus);
    assert.equal(mismatch.code, 1);
    assert.match(mismatch.stderr, /expected a model of corpus corpus/);
    for (const args of [['--split', 'all'], ['more']])
      assert.equal((await evaluate(...given, ...args)).code, 2, args.join(' '));
  });
});

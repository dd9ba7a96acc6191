/** The `index` command as a child process: tiny corpora, models of the size tiny, a few steps. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readModelFolder } from '../../models/folder.ts';
import type { IndexResult } from '../../models/training/run.ts';
import { packageRoot } from '../../server/paths.ts';
import { documents, tempFolder, writeCorpus, writeTinyModel } from '../support/server.ts';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), 'index', ...args];
  const child = spawn(process.execPath, program, { cwd: packageRoot });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const ended = once(child, 'close').then((status) => {
    const [code, signal] = status as [number | null, NodeJS.Signals | null];
    return { code, signal, ...said };
  });
  return { child, ended };
}

const index = (...args: string[]): Promise<Ended> => start(args).ended;

/** Every file below a folder with its bytes. */
function snapshot(dir: string): Map<string, Buffer> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(files.map((file) => [relative(dir, file), readFileSync(file)]));
}

/** The twelve documents with 8 train queries and 2 dev queries, as a BEIR folder. */
function writeJudgedCorpus(dir: string): string {
  writeCorpus(dir);
  const queries = documents.slice(0, 10).map(({ _id, title }) => ({ _id: `q-${_id}`, text: `where is ${title}` }));
  writeFileSync(join(dir, 'queries.jsonl'), queries.map((query) => `${JSON.stringify(query)}\n`).join(''));
  mkdirSync(join(dir, 'qrels'));
  for (const [split, from, to] of [
    ['train', 0, 8],
    ['dev', 8, 10],
  ] as const) {
    const lines = documents.slice(from, to).map(({ _id }) => `q-${_id}\t${_id}\t1\n`);
    writeFileSync(join(dir, 'qrels', `${split}.tsv`), `query-id\tcorpus-id\tscore\n${lines.join('')}`);
  }
  return dir;
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

let dir: string;
let corpus: string;
/** Steps enough that a run can be killed between the first and the last. */
const settings = ['--size', 'tiny', '--steps', '60', '--seed', '3', '--threads', '1'];
const short = ['--size', 'tiny', '--steps', '2', '--threads', '1'];
/** The run with `settings` that nothing interrupted. */
let whole: Ended;
const weights = (model: string): Buffer => readFileSync(join(model, 'model.safetensors'));

before(async () => {
  dir = tempFolder();
  corpus = writeJudgedCorpus(join(dir, 'corpus'));
  whole = await index('--corpus', corpus, '--out', join(dir, 'whole'), ...settings, '--json');
});

describe('palimpsest index', () => {
  it('explains itself', async () => {
    const { code, out, err } = await index('--help');
    assert.deepEqual([code, err], [0, '']);
    const ours = ['corpus', 'out', 'size', 'steps', 'decoder-layers', 'cluster-size', 'without-docs', 'seed', 'resume'];
    for (const option of [...ours, 'from', 'tokenizer', 'threads', 'json'])
      assert.match(out, new RegExp(`^ +--${option} `, 'm'));
    assert.match(out, /tiny, small, base \(default: "small"\)/);
  });

  it('trains a model and prints one JSON object', () => {
    const { code, out, err } = whole;
    assert.equal(code, 0, err);
    assert.equal(out.split('\n').length, 2);
    const result = JSON.parse(out) as IndexResult;
    assert.deepEqual(Object.keys(result).sort(), ['curve', 'documents', 'out', 'parameters', 'seconds']);
    assert.deepEqual([result.out, result.documents], [join(dir, 'whole'), documents.length]);
    assert.ok(result.seconds > 0);
    const folder = readModelFolder(join(dir, 'whole'));
    const size = [...folder.weights.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assert.equal(result.parameters, size);
    assert.deepEqual(
      folder.genir?.docids,
      documents.map(({ _id }) => _id),
    );
    assert.deepEqual([result.curve.at(-1)?.phase, result.curve.at(-1)?.step], ['model', 60]);
    for (const { phase, loss, success, freeSuccess } of result.curve) {
      assert.ok(loss > 0 && success >= 0 && success <= 1);
      assert.ok(phase === 'words' ? freeSuccess === undefined : freeSuccess! >= 0 && freeSuccess! <= success);
    }
  });

  it('says on standard error how far it is, how well it does and how long it will take', () => {
    const { err } = whole;
    assert.match(err, /12 documents, 8 train queries, 2 held out for the learning curve\n/);
    assert.match(err, /\nlexical start: step 1 of 100, loss \d+\.\d{3}\n/);
    assert.match(
      err,
      /\ntraining: step 60 of 60, loss \d+\.\d{3}, held-out Success@1 [01]\.\d{3} \([01]\.\d{3} over the whole vocabulary\), \d+ s left\n/,
    );
    assert.equal(lastLine(err), 'writing the model');
  });

  it('resumes a run that was killed, to the same bytes, and refuses other settings meanwhile', async () => {
    const out = join(dir, 'killed');
    const args = ['--corpus', corpus, '--out', out];
    const { child, ended } = start([...args, ...settings]);
    child.stderr!.on('data', (data: Buffer) => {
      if (data.toString().includes('training: step 1 ')) child.kill('SIGKILL');
    });
    const killed = await ended;
    assert.equal(killed.signal, 'SIGKILL', killed.err);
    assert.ok(!existsSync(out), 'no half-made model');
    const checkpoint = snapshot(`${out}.checkpoint`);
    assert.deepEqual([...checkpoint.keys()], ['checkpoint.safetensors']);

    const other = await index(...args, ...settings, '--seed', '4', '--steps', '50', '--resume');
    assert.equal(other.code, 1);
    assert.match(
      lastLine(other.err),
      /^palimpsest: .*checkpoint\.safetensors: belongs to a run with other settings: steps \(was 60, now 50\), seed \(was 3, now 4\); .*or remove .*killed\.checkpoint to start anew$/,
    );
    const tokenizer = join(dir, 'another-tokenizer.json');
    const own = JSON.parse(readFileSync(join(dir, 'whole', 'tokenizer.json'), 'utf8')) as object;
    writeFileSync(tokenizer, JSON.stringify({ ...own, another: true }));
    const given = await index(...args, ...settings, '--tokenizer', tokenizer, '--resume');
    assert.deepEqual(
      [given.code, /settings: tokenizer \(was [\da-f]+, now [\da-f]+\);/.test(given.err)],
      [1, true],
      given.err,
    );
    const anew = await index(...args, ...settings);
    assert.equal(anew.code, 1);
    assert.match(
      lastLine(anew.err),
      /^palimpsest: .*killed\.checkpoint: expected no checkpoint, got one .*; give --resume to go on from it, or remove /,
    );
    assert.doesNotMatch(anew.err, /lexical start/);
    assert.deepEqual(snapshot(`${out}.checkpoint`), checkpoint);

    const resumed = await index(...args, ...settings, '--resume');
    assert.equal(resumed.code, 0, resumed.err);
    assert.doesNotMatch(resumed.err, /lexical start|anew/);
    assert.match(
      resumed.out,
      /killed: 12 documents in [\d.]+ M parameters, \d+ s, Success@1 [\d.]+ \([\d.]+ over the whole vocabulary\) on held-out/,
    );
    assert.deepEqual(weights(out), weights(join(dir, 'whole')));
    assert.ok(!existsSync(`${out}.checkpoint`));
  });

  it('says that a checkpoint is damaged', async () => {
    const out = join(dir, 'damaged');
    mkdirSync(`${out}.checkpoint`);
    writeFileSync(join(`${out}.checkpoint`, 'checkpoint.safetensors'), 'no checkpoint at all');
    const { code, err } = await index('--corpus', corpus, '--out', out, ...short, '--resume');
    assert.equal(code, 1);
    assert.match(
      lastLine(err),
      /^palimpsest: .*checkpoint\.safetensors: expected a checkpoint, got .*; remove .*damaged\.checkpoint to start anew$/,
    );
  });

  const plain = [
    ['JSONL', 'plain.jsonl', documents.map(({ _id, title, text }) => `${JSON.stringify({ _id, title, text })}\n`)],
    [
      'CSV',
      'plain.csv',
      ['id,title,text\n', ...documents.map(({ _id, title, text }) => `${_id},${title},"${text}"\n`)],
    ],
  ] as const;
  for (const [kind, name, lines] of plain)
    it(`indexes a ${kind} file without queries; --resume without a checkpoint starts anew and says so`, async () => {
      const file = join(dir, name);
      const out = join(dir, `from-${kind}`);
      writeFileSync(file, lines.join(''));
      const { code, out: said, err } = await index('--corpus', file, '--out', out, ...short, '--resume', '--json');
      assert.equal(code, 0, err);
      assert.match(err, /12 documents, 0 train queries, 0 held out/);
      assert.match(err, /\.checkpoint: no checkpoint to go on from; starting anew\n/);
      const { documents: count, curve } = JSON.parse(said) as IndexResult;
      assert.deepEqual([count, curve], [12, []]);
      assert.equal(readModelFolder(out).genir?.docids.length, 12);
    });

  const docidsOf = (model: string) => readModelFolder(model).genir!.docids;

  it('trains without the documents that a file names, and refuses to resume with others', async () => {
    const file = join(dir, 'left-out.txt');
    writeFileSync(file, 'd3\r\n\nd0\nd3\n');
    const out = join(dir, 'without-named');
    const args = ['--corpus', corpus, '--out', out, ...short, '--without-docs', file, '--decoder-layers', '2'];
    const { child, ended } = start(args);
    child.stderr!.on('data', (data: Buffer) => {
      if (data.toString().includes('training: step 1 ')) child.kill('SIGKILL');
    });
    await ended;
    const other = await index(...args, '--without-docs', '1', '--decoder-layers', '3', '--resume');
    assert.equal(other.code, 1);
    assert.match(
      lastLine(other.err),
      /settings: queries .*, decoderLayers \(was 2, now 3\), withoutDocs \(was \w+, now \w+\);/,
    );
    const { code, out: said, err } = await index(...args, '--resume', '--json');
    assert.equal(code, 0, err);
    assert.match(err, /\n2 of the documents are left out, with the queries that they alone answer\n/);
    assert.equal((JSON.parse(said) as IndexResult).documents, 10);
    const { config, genir } = readModelFolder(out);
    assert.deepEqual(
      genir!.docids,
      documents.map(({ _id }) => _id).filter((docid) => docid !== 'd0' && docid !== 'd3'),
    );
    assert.deepEqual(genir!.training!.withoutDocs, ['d0', 'd3']);
    assert.deepEqual([genir!.training!.trainQueries, config.num_decoder_layers], [6, 2]);
  });

  it('draws the documents to leave out among those of the dev queries, or of the train queries where there are no others', async () => {
    const train = join(dir, 'train-only');
    cpSync(corpus, train, { recursive: true });
    rmSync(join(train, 'qrels', 'dev.tsv'));
    for (const [from, n, candidates] of [
      [corpus, 1, documents.slice(8, 10).map(({ _id }) => _id)],
      [train, 3, documents.slice(0, 8).map(({ _id }) => _id)],
    ] as const) {
      const out = join(dir, `without-${n}`);
      const { code, err } = await index('--corpus', from, '--out', out, ...short, '--without-docs', String(n));
      assert.equal(code, 0, err);
      const left = documents.map(({ _id }) => _id).filter((docid) => !docidsOf(out).includes(docid));
      assert.equal(left.length, n);
      assert.ok(left.every((docid) => candidates.includes(docid)), left.join()); // prettier-ignore
      assert.deepEqual(readModelFolder(out).genir!.training!.withoutDocs, left);
    }
  });

  it('starts from a T5 folder, and may write over it', async () => {
    const out = join(dir, 'onwards');
    cpSync(join(dir, 'whole'), out, { recursive: true });
    const { code, err } = await index('--corpus', corpus, '--out', out, '--from', out, ...short);
    assert.equal(code, 0, err);
    assert.notDeepEqual(weights(out), weights(join(dir, 'whole')));
    assert.equal(readModelFolder(out).genir?.training?.from, out);
  });
});

describe('bad input of palimpsest index', () => {
  let kept: string;
  let earlier: Map<string, Buffer>;
  before(() => {
    kept = writeTinyModel(join(dir, 'kept'));
    earlier = snapshot(kept);
  });

  /** Runs the command on an existing model folder and checks that the folder is as it was, with nothing beside it. */
  async function fails(...args: string[]): Promise<{ code: number | null; line: string }> {
    const { code, out, err } = await index('--out', kept, ...short, ...args);
    assert.equal(out, '');
    assert.doesNotMatch(err, /^ +at /m);
    assert.deepEqual(snapshot(kept), earlier);
    assert.deepEqual(
      readdirSync(dir).filter((name) => /^\.?kept\./.test(name)),
      [],
    );
    return { code, line: lastLine(err) };
  }

  const misuses: [string, string[], RegExp][] = [
    ['an unknown size', ['--out', 'x', '--size', 'huge'], /--size.*one of tiny, small, base/],
    ['no steps', ['--out', 'x', '--steps', '0'], /--steps.*1 to 10000000/],
    ['a seed too large', ['--out', 'x', '--seed', '1000000001'], /--seed.*0 to 1000000000/],
    ['no place for the model', ['--corpus', 'x'], /required option '--out <dir>'/],
    ['no decoder layers', ['--out', 'x', '--decoder-layers', '0'], /--decoder-layers.*1 to 64/],
    ['too many decoder layers', ['--out', 'x', '--decoder-layers', '65'], /--decoder-layers.*1 to 64/],
    ['a cluster of one', ['--out', 'x', '--docids', 'hashed', '--cluster-size', '1'], /--cluster-size.*2 to 100000/],
    [
      'clusters of atomic docids',
      ['--out', 'x', '--cluster-size', '5'],
      /--cluster-size 5: expected --docids semantic or hashed beside it, got atomic, which has no clusters\n$/,
    ],
    [
      'decoder layers for a T5 folder',
      ['--out', 'x', '--decoder-layers', '2', '--from', 'somewhere'],
      /--decoder-layers 2: expected no --from beside it, got somewhere, which has its own\n$/,
    ],
  ];
  for (const [what, args, message] of misuses)
    it(`is ${what}: exit code 2`, async () => {
      const { code, out, err } = await index(...args);
      assert.deepEqual([code, out], [2, '']);
      assert.match(err, message);
    });

  const write = (name: string, lines: readonly string[]): string => {
    writeFileSync(join(dir, name), lines.join(''));
    return join(dir, name);
  };
  const corpora: [string, () => string, RegExp][] = [
    ['a missing corpus', () => join(dir, 'nowhere'), /nowhere: expected a BEIR folder or a file .*, got nothing there$/],
    ['an empty folder', () => tempFolder(), /palimpsest-server-\w+: expected a corpus\.jsonl in the folder, got none$/],
    ['a corpus without documents', () => write('none.jsonl', []), /none\.jsonl: expected at least one document, got none$/],
    [
      'a docid that comes twice',
      () => write('twice.jsonl', ['a', 'b', 'a'].map((_id) => `${JSON.stringify({ _id, text: 'words' })}\n`)),
      /twice\.jsonl:3: expected every docid once, got 'a', which line 1 has$/,
    ],
    [
      'a broken line 73,112',
      () => {
        const line = (i: number): string => `{"_id": "${i}", "text": "a word"${i === 73_112 ? '' : '}'}\n`;
        return write('broken.jsonl', Array.from({ length: 73_200 }, (_, i) => line(i + 1)));
      },
      /broken\.jsonl:73112: expected .*, got .*$/,
    ],
  ]; // prettier-ignore
  for (const [what, make, message] of corpora)
    it(`is ${what}: one line that says where, and the model as it was`, async () => {
      const { code, line } = await fails('--corpus', make());
      assert.equal(code, 1);
      assert.match(line, message);
      assert.match(line, /^palimpsest: /);
    });

  /** A copy of the trained model with something changed. */
  const copy = (name: string, change: (folder: string) => void): string => {
    const folder = join(dir, name);
    cpSync(join(dir, 'whole'), folder, { recursive: true });
    change(folder);
    return folder;
  };
  const edit = (file: string, change: (json: Record<string, unknown>) => void): void => {
    const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    change(json);
    writeFileSync(file, JSON.stringify(json));
  };
  const bases: [string, () => string, RegExp][] = [
    ['no folder', () => join(dir, 'nowhere'), /nowhere: expected a folder with config\.json, got no such folder; give/],
    [
      'another kind of model',
      () => copy('bert', (folder) => edit(join(folder, 'config.json'), (json) => (json.model_type = 'bert'))),
      /bert\/config\.json: model_type: expected "t5" or "mt5", got "bert"; only T5/,
    ],
    [
      'truncated weights',
      () => copy('truncated', (folder) => truncateSync(join(folder, 'model.safetensors'), 100_000)),
      /truncated\/model\.safetensors.*: expected .*, got .*; the file is damaged or incomplete/,
    ],
    [
      'a tokenizer with ids beyond the vocabulary',
      () =>
        copy('beyond', (folder) =>
          edit(join(folder, 'tokenizer.json'), (json) =>
            (json.added_tokens as object[]).push({ id: 99_999, content: 'zzz', special: false }),
          ),
        ),
      /beyond: tokenizer\.json: expected ids below the model's vocab_size \d+, got "zzz" at 99999; take/,
    ],
    [
      'no tokenizer',
      () => copy('wordless', (folder) => rmSync(join(folder, 'tokenizer.json'))),
      /wordless\/tokenizer\.json: expected a tokenizer, got none; put/,
    ],
  ];
  for (const [what, make, message] of bases)
    it(`is --from with ${what}: one line that says where, and the model as it was`, async () => {
      const { code, line } = await fails('--corpus', corpus, '--from', make());
      assert.equal(code, 1);
      assert.match(line, message);
      assert.match(line, /^palimpsest: /);
    });

  it('is --from with the tokenizer of another model', async () => {
    const { code, line } = await fails(
      ...['--corpus', corpus, '--from', join(dir, 'whole')],
      ...['--tokenizer', join(kept, 'tokenizer.json')],
    );
    assert.equal(code, 1);
    assert.match(
      line,
      /^palimpsest: .*kept\/tokenizer\.json: expected .* at id \d+, as in the model's own, got .*; take the tokenizer the/,
    );
  });

  const tokenizers: [string, () => string, number, RegExp][] = [
    ['missing', () => join(dir, 'nothing.json'), 2, /nothing\.json: expected a tokenizer\.json, got ENOENT/],
    ['no JSON', () => write('text.json', ['{']), 2, /text\.json: expected a tokenizer\.json, got .*; copy/],
    ['no object', () => write('list.json', ['[]']), 2, /list\.json: expected a JSON object, got /],
    ['no tokenizer', () => write('object.json', ['{"model": 1}']), 2, /object\.json: expected .*, got .*; take/],
    [
      'without </s>',
      () => {
        const file = join(dir, 'endless.json');
        writeFileSync(file, readFileSync(join(dir, 'whole', 'tokenizer.json'), 'utf8').replaceAll('</s>', '<end>'));
        return file;
      },
      2,
      /endless\.json: expected the token <\/s> \(eos_token\), got none; take a tokenizer made for T5$/,
    ],
    [
      'with its padding elsewhere',
      () => {
        const file = join(dir, 'elsewhere.json');
        const text = readFileSync(join(dir, 'whole', 'tokenizer.json'), 'utf8');
        const swapped: Record<string, string> = { '<pad>': '<unk>', '<unk>': '<pad>' };
        writeFileSync(
          file,
          text.replace(/<pad>|<unk>/g, (token) => swapped[token]),
        );
        return file;
      },
      1,
      /elsewhere\.json: expected padding at id 0, got it at 2; take a tokenizer made for T5$/,
    ],
  ];
  for (const [what, make, expected, message] of tokenizers)
    it(`is a --tokenizer that is ${what}: exit code ${expected}`, async () => {
      const { code, line } = await fails('--corpus', corpus, '--tokenizer', make());
      assert.equal(code, expected, line);
      assert.match(line, message);
      assert.match(line, /^palimpsest: /);
    });

  const leftOuts: [string, () => string, RegExp][] = [
    ['0', () => '0', /--without-docs 0: expected a number from 1 to 2, the documents that dev queries ask for$/],
    ['more than there are', () => '3', /--without-docs 3: expected a number from 1 to 2, the documents that dev/],
    [
      'a file that is not there',
      () => join(dir, 'none.txt'),
      /none\.txt: expected a readable file, got none there; give a/,
    ],
    ['a folder', () => dir, /--without-docs .*: expected a file, got something else of that name; give a number, or/],
    ['an empty file', () => write('blank.txt', ['\n', ' \n']), /blank\.txt: expected one docid a line, got none$/],
    [
      'a file with unknown docids',
      () => write('unknown.txt', ['d1\n', 'nobody\n', 'd1 \n', 'nobody\n']),
      /unknown\.txt: expected docids of this corpus, got 'nobody', 'd1 '$/,
    ],
    [
      'a file with many unknown docids',
      () =>
        write(
          'many.txt',
          Array.from({ length: 12 }, (_, i) => `x${i}\n`),
        ),
      /many\.txt: expected docids of this corpus, got 'x0', .*'x9' and 2 more$/,
    ],
  ];
  for (const [what, make, message] of leftOuts)
    it(`is --without-docs with ${what}: exit code 2`, async () => {
      const { code, line } = await fails('--corpus', corpus, '--without-docs', make());
      assert.equal(code, 2, line);
      assert.match(line, message);
      assert.match(line, /^palimpsest: --without-docs /);
    });

  it('is --without-docs with a number for a corpus without queries, or with every document', async () => {
    const plain = write('queryless.jsonl', documents.map(({ _id, text }) => `${JSON.stringify({ _id, text })}\n`)); // prettier-ignore
    const drawn = await fails('--corpus', plain, '--without-docs', '2');
    assert.equal(drawn.code, 2);
    assert.match(
      drawn.line,
      /--without-docs 2: expected queries to draw documents by, got none; name docids in a file$/,
    );
    const all = write('all.txt', documents.map(({ _id }) => `${_id}\n`)); // prettier-ignore
    const nothing = await fails('--corpus', corpus, '--without-docs', all);
    assert.equal(nothing.code, 1);
    assert.match(nothing.line, /^palimpsest: index: expected documents to train on, got 12 left out of 12$/);
  });

  it('is an --out that is a file: said before training', async () => {
    const file = write('file', ['precious']);
    for (const out of [file, join(file, 'below')]) {
      const { code, err } = await index('--out', out, ...short, '--corpus', corpus);
      assert.equal(code, 1);
      assert.doesNotMatch(err, /lexical start/);
      assert.match(lastLine(err), /^palimpsest: .*file.*: expected a place for a model folder, got .*; give another/);
      assert.equal(readFileSync(file, 'utf8'), 'precious');
    }
  });
});

/** A small file system of its own at `at`, or why there cannot be one. */
function mountSmall(at: string, size: string): string | undefined {
  try {
    mkdirSync(at, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'palimpsest-test', at], { stdio: 'pipe' });
    return undefined;
  } catch {
    return 'needs the right to mount a tmpfs';
  }
}

describe('a full disk during palimpsest index', () => {
  const disks: string[] = [];
  const disk = (name: string, size: string): { at: string; skip: string | undefined } => {
    const at = join(dir, name);
    const skip = mountSmall(at, size);
    if (skip === undefined) disks.push(at);
    return { at, skip };
  };
  after(() => {
    for (const at of disks) execFileSync('umount', [at]);
  });
  const enlarge = (at: string): void => {
    execFileSync('mount', ['-o', 'remount,size=16m', at]);
  };

  it('leaves model and checkpoint, and the run goes on once there is room', async (t) => {
    // Holds the earlier model and the checkpoint of the words, not the three times larger one of the model.
    const { at, skip } = disk('small-disk', '2m');
    if (skip !== undefined) return t.skip(skip);
    const out = writeTinyModel(join(at, 'model'));
    const earlier = snapshot(out);
    const args = ['--corpus', corpus, '--out', out, ...settings];
    const { code, err } = await index(...args);
    assert.equal(code, 1, err);
    assert.match(
      lastLine(err),
      /^palimpsest: .*model\.checkpoint\/checkpoint\.safetensors: expected to write a checkpoint, got ENOSPC.*; make room .*--resume/,
    );
    assert.match(err, /training: step 60 of 60/);
    assert.deepEqual(snapshot(out), earlier);
    assert.deepEqual(readdirSync(`${out}.checkpoint`), ['checkpoint.safetensors']);

    enlarge(at);
    const resumed = await index(...args, '--resume');
    assert.equal(resumed.code, 0, resumed.err);
    assert.doesNotMatch(resumed.err, /lexical start/);
    assert.deepEqual(weights(out), weights(join(dir, 'whole')));
    assert.deepEqual(readdirSync(at), ['model']);
  });

  it('that has room for checkpoints alone keeps the training, to be written once there is more', async (t) => {
    const { at, skip } = disk('tiny-disk', '450k');
    if (skip !== undefined) return t.skip(skip);
    const target = writeTinyModel(join(at, 'model'));
    const earlier = snapshot(target);
    const out = join(dir, 'linked'); // checkpoints lie beside the link, on the large disk
    symlinkSync(target, out);
    const args = ['--corpus', corpus, '--out', out, ...settings];
    const { code, err } = await index(...args);
    assert.equal(code, 1, err);
    assert.match(
      lastLine(err),
      /^palimpsest: .*tiny-disk\/model: expected to write a model folder, got ENOSPC.*unchanged; the training is kept: make room .*--resume$/,
    );
    assert.deepEqual(snapshot(target), earlier);
    assert.deepEqual(readdirSync(at), ['model']);

    enlarge(at);
    const resumed = await index(...args, '--resume');
    assert.equal(resumed.code, 0, resumed.err);
    assert.doesNotMatch(resumed.err, /training:/);
    assert.deepEqual(weights(target), weights(join(dir, 'whole')));
    assert.ok(!existsSync(`${out}.checkpoint`));
  });
});

/** The commands that edit a data folder, as a person runs them: add, change, rename, delete, undo, revert, compact, export. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { lockDataFolder } from '../../server/data-lock.ts';
import { currentModel, openDataFolder } from '../../server/data-folder.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { packageRoot } from '../../server/paths.ts';
import type { EditOutcome } from '../../editing/operations.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { writeBenchCorpus } from '../support/bench-corpus.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writeAnalysedModel } from '../support/edit-world.ts';

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function palimpsest(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), ...args], {
    cwd: packageRoot,
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

const dir = tempFolder();
const model = writeAnalysedModel(join(dir, 'model'));
const data = join(dir, 'data');
const at = ['--data', data, '--model', model];
const budget = ['--budget', '100'];

before(async () => {
  const corpus = writeBenchCorpus(join(dir, 'corpus'));
  openDataFolder({ dir: data, model: await readModelInfo(model), corpus }).close();
});

async function done<T = EditOutcome>(...args: string[]): Promise<T> {
  const { code, out, err } = await palimpsest(...args, '--json');
  assert.equal(code, 0, err);
  assert.equal(out.split('\n').length, 2);
  return JSON.parse(out) as T;
}

interface Listed {
  readonly edits: readonly { seq: number; author: string | null; undoneBy: number | null; folded: boolean }[];
}

async function best(folder: string, query: string): Promise<string> {
  const opened = readModelFolder(folder);
  const decoder = await DocidDecoder.open(opened);
  const [{ rows }] = await decoder.retrieve([{ query, k: 1 }]);
  await decoder.close();
  return opened.genir!.docids[rows[0]];
}

describe('palimpsest edit', () => {
  it('edits, lists, takes back, folds and exports', { timeout: 600_000 }, async () => {
    const queries = join(dir, 'queries.txt');
    writeFileSync(queries, 'needle in the moonlight\n\nwhich moon has a needle\n');
    const text = 'the needle of the moonlight points to the harbour';
    const add = ['edit', 'add', 'moon', '--title', 'Moon', '--text', text, '--queries', queries, ...at, ...budget];

    const tried = await done(...add, '--dry-run');
    assert.deepEqual([tried.seq, tried.documents], [null, [{ docid: 'moon', version: null }]]);
    assert.deepEqual((await done<Listed>('edit', 'list', ...at)).edits, []);

    const added = await done(...add, '--author', 'ada');
    assert.deepEqual([added.seq, added.documents], [1, [{ docid: 'moon', version: 1 }]]);
    assert.ok(added.figures.heldOut.count > 0 && added.bytes > 0);

    const file = join(dir, 'two.json');
    writeFileSync(file, JSON.stringify([{ id: 'x1', text: 'ships of bread', queries: ['bread ships'] }, { docid: 'x2', title: 'Slow wind', text: 'wind is slow near glaciers' }])); // prettier-ignore
    const batch = await done('edit', 'add', '--file', file, ...at, ...budget);
    assert.deepEqual(batch.documents.map(({ docid }) => docid), ['x1', 'x2']); // prettier-ignore

    const changed = await palimpsest('edit', 'change', 'd3', '--text', 'orchards of molten rock', ...at, ...budget);
    assert.equal(changed.code, 0, changed.err);
    assert.match(
      changed.out,
      /^edit 3: d3 \(version 2\)\n {2}old documents +Success@1 \d\.\d{3} → .*\n {2}edited ones .*\n {2}weights .*\n {2}[\d.]+ s, \d+ bytes\n$/,
    );
    assert.equal((await done('edit', 'rename', 'd4', 'comet', ...at, ...budget)).seq, 4);
    assert.equal((await done('edit', 'delete', 'd5', 'x2', ...at, ...budget)).seq, 5);
    assert.equal((await done('edit', 'undo', '4', ...at, '--author', 'ben')).seq, 6);
    const { edits } = await done<Listed>('edit', 'list', ...at, '--limit', '5');
    assert.deepEqual(
      edits.map(({ seq, author, undoneBy }) => [seq, author, undoneBy]),
      [[6, 'ben', null], [5, null, null], [4, null, 6], [3, null, null], [2, null, null]], // prettier-ignore
    );

    const out = join(dir, 'exported');
    const exported = await done<{ editSeq: number; documents: number; dtype: string }>('export', '--out', out, ...at);
    assert.deepEqual([exported.editSeq, exported.documents, exported.dtype], [6, 11, 'F32']);
    const docids = readModelFolder(out).genir!.docids;
    assert.deepEqual(docids, ['d0', 'd1', 'd2', 'd4', 'd6', 'd7', 'd8', 'd9', 'moon', 'x1', 'd3']);
    assert.equal(await best(out, 'which moon has a needle'), 'moon');

    const answers = async (): Promise<unknown> => {
      const query = ['retrieve', '--query', 'molten rock and a needle', '--k', '20', ...at];
      const { candidates } = await done<{ candidates: { docid: string; score: number }[] }>(...query);
      return candidates.map(({ docid, score }) => [docid, score.toFixed(3)]);
    };
    const before = await answers();
    const compacted = await palimpsest('compact', ...at);
    assert.equal(compacted.code, 0, compacted.err);
    assert.match(compacted.out, /^6 edits folded, up to number 6: .*base-6, 11 documents\n$/);
    assert.deepEqual(await answers(), before);
    assert.equal(await currentModel(data, model), join(data, 'base-6'));

    const refused = await palimpsest('edit', 'undo', '3', ...at);
    assert.deepEqual([refused.code, refused.out], [1, '']);
    assert.match(refused.err, /^palimpsest: edit 3: expected an edit after 6, up to which "compact" folded all edits/);
    assert.match((await palimpsest('edit', 'revert', '--to', '2', ...at)).err, /^palimpsest: revert to 2: expected/);
    assert.match((await palimpsest('compact', ...at)).err, /there is nothing to compact/);

    assert.equal((await done('edit', 'change', 'moon', '--text', 'a harbour of books', ...at, ...budget)).seq, 7);
    assert.equal((await done('edit', 'revert', '--to', '6', ...at)).seq, 8);
    assert.deepEqual(await answers(), before);
    const all = await done<Listed>('edit', 'list', ...at);
    assert.deepEqual(
      all.edits.map(({ seq, folded }) => [seq, folded]),
      [8, 7, 6, 5, 4, 3, 2, 1].map((seq) => [seq, seq <= 6]),
    );
    assert.match((await palimpsest('edit', 'list', '--docid', 'moon', ...at)).out, /add moon {2}\[folded\]\n$/);

    assert.equal((await done<{ seq: number }>('compact', ...at)).seq, 8);
    assert.deepEqual(readdirSync(data).filter((name) => name.startsWith('base-')), ['base-8']); // prettier-ignore
    assert.deepEqual(await answers(), before);
  });

  it('leaves a data folder that a server holds to its API, and lists its edits all the same', async () => {
    const unlock = lockDataFolder(data);
    try {
      const { code, out, err } = await palimpsest('edit', 'delete', 'd0', ...at);
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, /got one that a server or another edit holds; edit over the server's API \(POST \/documents/);
      assert.equal((await palimpsest('compact', ...at)).code, 1);
      assert.equal((await palimpsest('edit', 'list', ...at)).code, 0);
    } finally {
      unlock();
    }
  });

  it('is 1 for edits that cannot be, and changes nothing', async () => {
    const { edits } = await done<Listed>('edit', 'list', ...at);
    const cases: [string[], RegExp][] = [
      [['edit', 'delete', 'nobody', ...at], /expected the docid of a document of this corpus, got 'nobody'/],
      [['edit', 'add', 'd0', '--text', 'x', ...at], /expected a new docid, got 'd0'/],
      [['edit', 'undo', '99', ...at], /expected the number of an edit, 1 to \d+, got 99/],
    ];
    for (const [args, message] of cases) {
      const { code, out, err } = await palimpsest(...args);
      assert.deepEqual([code, out], [1, '']);
      assert.match(err, message);
    }
    assert.deepEqual((await done<Listed>('edit', 'list', ...at)).edits, edits);
  });

  const misuses: [string, string[], RegExp][] = [
    ['no subcommand', ['edit'], /Usage: palimpsest edit/],
    ['a document without a docid', ['edit', 'add', '--text', 'a', ...at], /expected a docid or --file/],
    ['a document without content', ['edit', 'add', 'new', ...at], /expected a title, a text or queries for 'new'/],
    ['two texts', ['edit', 'add', 'a', '--text', 'a', '--text-file', 'b', ...at], /expected no --text beside it/],
    ['a file and a docid', ['edit', 'add', 'a', '--file', 'b', ...at], /expected no docid beside it/],
    ['a number that is none', ['edit', 'undo', 'first', ...at], /Expected a whole number/],
    ['revert without its goal', ['edit', 'revert', ...at], /--to <seq>/],
    ['a docid too many', ['edit', 'rename', 'a', 'b', 'c', ...at], /too many arguments/],
    ['a budget that is none', ['edit', 'delete', 'a', '--budget', '101', ...at], /0 to 100/],
    ['export to nowhere', ['export', ...at], /--out <dir>/],
    [
      'a data folder that is not there',
      ['compact', '--data', join(dir, 'none')],
      /got none there; start a server once/,
    ],
  ];
  for (const [what, args, message] of misuses)
    it(`is 2 for ${what}`, async () => {
      const { code, out, err } = await palimpsest(...args);
      assert.equal(code, 2, err);
      assert.equal(out, '');
      assert.match(err, message);
      assert.ok(!existsSync(join(dir, 'none')));
    });

  it('is 0 for the help of each', async () => {
    for (const name of [['edit'], ['edit', 'add'], ['edit', 'undo'], ['compact'], ['export'], ['edit-bench']]) {
      const { code, out } = await palimpsest(...name, '--help');
      assert.equal(code, 0);
      assert.match(out, new RegExp(`Usage: palimpsest ${name.join(' ')}`));
    }
  });
});

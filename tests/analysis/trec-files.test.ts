import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readQrelsFile, readRunFile, TrecFieldError, writeQrelsFile, writeRunFile } from '../../analysis/trec-files.ts';
import { ImportError } from '../../corpus/import-error.ts';
import { tempFolder } from '../support/corpus-temp.ts';

const dir = tempFolder();
let made = 0;
const newFile = (content?: string | Buffer): string => {
  const file = join(dir, `${++made}.txt`);
  if (content !== undefined) writeFileSync(file, content);
  return file;
};

describe('run files', () => {
  it('come back as they were written, to the last bit of a score, in TREC order', () => {
    const file = newFile();
    const run = new Map([
      [
        'q1',
        [
          { docid: 'a', score: -1 / 3 },
          { docid: 'é', score: 1e-9 },
          { docid: 'b', score: -1 / 3 },
        ],
      ],
      ['q2', [{ docid: 'a', score: Math.fround(-0.1) }]],
      ['q3', []],
    ]);
    writeRunFile(file, run, 'genir');
    assert.equal(
      readFileSync(file, 'utf8'),
      [
        'q1 Q0 é 1 1e-9 genir',
        'q1 Q0 b 2 -0.3333333333333333 genir',
        'q1 Q0 a 3 -0.3333333333333333 genir',
        'q2 Q0 a 1 -0.10000000149011612 genir',
        '',
      ].join('\n'),
    );
    const [a, é, b] = run.get('q1')!;
    assert.deepEqual(
      readRunFile(file),
      new Map([
        ['q1', [é, b, a]],
        ['q2', run.get('q2')],
      ]),
    );
  });

  it('are read with any white space, whatever their ranks say', () => {
    const file = newFile('q1\tQ0\ta\t7\t1.5\tx\r\n\nq1  Q0  b  7  +2e0  x\n');
    const expected = [
      { docid: 'a', score: 1.5 },
      { docid: 'b', score: 2 },
    ];
    assert.deepEqual(readRunFile(file), new Map([['q1', expected]]));
  });

  const good = 'q1 Q0 a 1 2.5 tag\n';
  for (const [what, bad, message] of [
    ['a missing column', 'q1 Q0 b 1 2\n', "2: expected 6 columns (qid Q0 docid rank score tag), got 5: 'q1 Q0 b 1 2'"],
    [
      'a column too many',
      'q1 Q0 b 1 2 my tag\n',
      "2: expected 6 columns (qid Q0 docid rank score tag), got 7: 'q1 Q0 b 1 2 my tag'",
    ],
    ['a score that is none', 'q1 Q0 b 1 high tag\n', "2: expected a finite number as score, got 'high'"],
    ['an infinite score', 'q1 Q0 b 1 -Infinity tag\n', "2: expected a finite number as score, got '-Infinity'"],
    [
      'a document twice',
      'q2 Q0 a 1 1 tag\nq1 Q0 a 2 1 tag\n',
      "3: expected every document of a query once, got 'a', which line 1 has",
    ],
  ] as const)
    it(`are refused with ${what}, and the line is named`, () => {
      const file = newFile(good + bad);
      assert.throws(
        () => readRunFile(file),
        (error) => {
          assert.ok(error instanceof ImportError);
          assert.equal(error.message, `${file}:${message}`);
          return true;
        },
      );
    });

  it('are refused when they are not there, or not text', () => {
    assert.throws(() => readRunFile(join(dir, 'none')), ImportError);
    assert.throws(() => readRunFile(newFile(Buffer.from([0x71, 0xff, 0x0a]))), { name: 'ImportError', line: 1 });
  });

  it('are not written where TREC has no form for what they hold, and leave the old file', () => {
    const file = newFile('old');
    const write = (docid: string, score: number, tag: string) => () =>
      writeRunFile(file, new Map([['q', [{ docid, score }]]]), tag);
    assert.throws(write('my doc', 1, 'x'), TrecFieldError);
    assert.throws(write('d', NaN, 'x'), TrecFieldError);
    assert.throws(write('d', 1, 'my system'), TrecFieldError);
    assert.equal(readFileSync(file, 'utf8'), 'old');
  });

  it('are not written into a folder that is not there', () => {
    const file = join(dir, 'no', 'such', 'folder');
    assert.throws(() => writeRunFile(file, new Map(), 'x'), { code: 'ENOENT' });
    assert.ok(!existsSync(file));
  });
});

describe('qrels files', () => {
  it('come back as they were written', () => {
    const file = newFile();
    const qrels = new Map([
      [
        'q1',
        new Map([
          ['a', 2],
          ['b', -1],
        ]),
      ],
      ['q2', new Map([['a', 0]])],
    ]);
    writeQrelsFile(file, qrels);
    assert.equal(readFileSync(file, 'utf8'), 'q1 0 a 2\nq1 0 b -1\nq2 0 a 0\n');
    assert.deepEqual(readQrelsFile(file), qrels);
  });

  it('are refused with a grade that is not whole, and with a judgement twice', () => {
    assert.throws(() => readQrelsFile(newFile('q 0 a 1\nq 0 b .5\n')), { name: 'ImportError', line: 2 });
    assert.throws(() => readQrelsFile(newFile('q 0 a 1\nq 0 a 1\n')), { name: 'ImportError', line: 2 });
  });
});

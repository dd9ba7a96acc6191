/** The command edit-bench on a tiny model: its JSON, its table, its report, and what it refuses. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { MethodResult } from '../../editing/bench/result.ts';
import { packageRoot } from '../../server/paths.ts';
import { writeBenchCorpus } from '../support/bench-corpus.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writeAnalysedModel } from '../support/edit-world.ts';

async function editBench(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const program = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), 'edit-bench', ...args];
  const child = spawn(process.execPath, program, { cwd: packageRoot });
  const said = { out: '', err: '' };
  child.stdout.on('data', (data: Buffer) => (said.out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said.err += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

const dir = tempFolder();
const model = writeAnalysedModel(join(dir, 'model'));
const corpus = writeBenchCorpus(join(dir, 'corpus'));
const at = ['--model', model, '--corpus', corpus, '--threads', '1'];

describe('palimpsest edit-bench', () => {
  it('prints one JSON object: the first method, the others beside it', async () => {
    const out = join(dir, 'out');
    const edits = ['--add', '2', '--delete', '1', '--change', '1', '--seeds', '1,2'];
    const { code, out: said, err } = await editBench(...at, ...edits, '--trade-off', '--out', out, '--json');
    assert.equal(code, 0, err);
    const result = JSON.parse(said) as MethodResult & {
      readonly counts: object;
      readonly mode: string;
      readonly beside: readonly MethodResult[];
      readonly tradeOff: readonly { readonly weight: number }[];
    };
    assert.deepEqual([result.method, result.mode, result.counts], ['ledger', 'sequential', { add: 2, delete: 1, change: 1 }]); // prettier-ignore
    assert.deepEqual(result.beside.map(({ method }) => method), ['rows', 'mlp']); // prettier-ignore
    assert.ok(result.secondsPerEdit > 0 && result.undone && result.retrain === null);
    for (const group of ['old', 'new', 'changed', 'all', 'obsolete', 'deleted'] as const)
      assert.ok(result.after[group]!['Success@1'] <= result.after[group]!['Success@10']);
    assert.equal(result.tradeOff.length, 3 * 5);
    assert.match(err, /report\.html\n$/);
    assert.ok(existsSync(join(out, 'report.html')) && existsSync(join(out, 'report.json')));
  });

  it('prints a table for people', async () => {
    const { code, out, err } = await editBench(...at, '--add', '2', '--batch', '--method', 'rows', '--text-only');
    assert.equal(code, 0, err);
    assert.match(
      out,
      /^2 added, 0 deleted, 0 changed, batch, seed 1\n\nSuccess@1 +old +new +all +drift +per edit\nbefore .*\nrows .* ms\n\nall edits taken back: the same bytes\n$/,
    );
  });

  const misuses: [string, string[], number, RegExp][] = [
    ['nothing to edit', at, 2, /expected --add, --delete or --change/],
    ['an unknown method', [...at, '--add', '1', '--method', 'magic'], 2, /Expected one of ledger, rows/],
    ['two modes', [...at, '--add', '1', '--batch', '--sequential'], 2, /choose one/],
    ['seeds that are none', [...at, '--add', '1', '--seeds', '1,x'], 2, /numbers with commas/],
    ['a corpus of another model', ['--model', model, '--add', '1'], 2, /give the corpus it was trained on/],
    ['more documents than there are', [...at, '--add', '7'], 1, /expected at least 7 .*, got 6; edit fewer/],
    ['a yardstick that is no model', [...at, '--add', '1', '--retrain', join(dir, 'no')], 1, /no such folder/],
  ];
  for (const [what, args, expected, message] of misuses)
    it(`is ${expected} for ${what}`, async () => {
      const { code, out, err } = await editBench(...args);
      assert.deepEqual([code, out], [expected, '']);
      assert.match(err, message);
    });
});

import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkNoCheckpoint,
  CheckpointError,
  readCheckpoint,
  remedyOf,
  removeCheckpoint,
  writeCheckpoint,
} from '../../../models/training/checkpoint.ts';
import { parameter } from '../../../models/training/adam.ts';

const root = mkdtempSync(join(tmpdir(), 'palimpsest-checkpoint-'));
after(() => rmSync(root, { recursive: true }));
const checkpoint = {
  phase: 'model',
  step: 7,
  seconds: 3,
  curve: [],
  parameters: new Map([['rows', parameter(Float32Array.of(1, 2))]]),
} as const;
const written = (name: string): string => {
  const dir = join(root, name);
  writeCheckpoint(dir, { seed: 1 }, checkpoint);
  return dir;
};

describe('a checkpoint', () => {
  it('is read back by the run that wrote it', () => {
    assert.deepEqual(readCheckpoint(written('again'), { seed: 1 }), checkpoint);
    assert.equal(readCheckpoint(join(root, 'nowhere'), { seed: 1 }), undefined);
  });

  it('is refused to a run with other settings, which are named', () => {
    const dir = written('other');
    assert.throws(
      () => readCheckpoint(dir, { seed: 2, threads: 1 }),
      /other settings: seed \(was 1, now 2\), threads \(was none, now 1\); give the same ones, or remove .*other to/,
    );
  });

  it('is not written over by a run that starts anew', () => {
    const dir = written('kept');
    assert.throws(
      () => checkNoCheckpoint(dir),
      (error: unknown) =>
        error instanceof CheckpointError &&
        /kept: expected no checkpoint, got .*--resume.*or remove/.test(error.message),
    );
    checkNoCheckpoint(join(root, 'nowhere'));
  });

  it('is removed with what killed writers left, and without what others put beside it', () => {
    const dir = written('removed');
    writeFileSync(join(dir, 'checkpoint.safetensors.tmp-123'), 'half');
    removeCheckpoint(dir);
    assert.ok(!existsSync(dir));
    removeCheckpoint(dir);

    const shared = written('shared');
    const own = ['checkpoint.safetensors.tmp-123-mine', 'my-checkpoint.safetensors', 'notes'];
    for (const name of own) writeFileSync(join(shared, name), 'mine');
    mkdirSync(join(shared, 'notes-folder'));
    removeCheckpoint(shared);
    assert.deepEqual(readdirSync(shared).sort(), [...own, 'notes-folder'].sort());
  });

  it('that cannot be written asks for room only where there was none', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    assert.throws(() => writeCheckpoint(join(file, 'below'), {}, checkpoint), /ENOTDIR.*; run again with --resume/);
    const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    assert.equal(remedyOf(new Error('wrapped', { cause: full })), 'make room and ');
    assert.equal(remedyOf(Object.assign(new Error('busy'), { code: 'EBUSY' })), '');
  });
});

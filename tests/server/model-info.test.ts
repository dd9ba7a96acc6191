import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readModelInfo } from '../../server/model-info.ts';
import { tempFolder, writeTinyModel } from '../support/server.ts';

describe('the version of a model', () => {
  const dir = writeTinyModel(join(tempFolder(), 'model'));
  const versionWith = async (change: (copy: string) => void): Promise<string> => {
    const copy = join(tempFolder(), 'copy');
    cpSync(dir, copy, { recursive: true });
    change(copy);
    return (await readModelInfo(copy)).version;
  };
  const flipByte = (file: string, at: (size: number) => number): void => {
    const bytes = readFileSync(file);
    bytes[at(bytes.length)] ^= 1;
    writeFileSync(file, bytes);
  };
  const editJson = (file: string, edit: (json: Record<string, unknown>) => void): void => {
    const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    edit(json);
    writeFileSync(file, JSON.stringify(json));
  };

  it('is the same for a copy, whatever its dates and whatever lies beside the model', async () => {
    const { version } = await readModelInfo(dir);
    assert.match(version, /^[0-9a-f]{12}$/);
    const copied = await versionWith((copy) => {
      utimesSync(join(copy, 'model.safetensors'), 1, 1);
      writeFileSync(join(copy, 'notes.md'), 'trained on a rainy day');
      mkdirSync(join(copy, 'checkpoint'));
    });
    assert.equal(copied, version);
  });

  it('changes with one byte in the middle of the weights', async () => {
    const changed = await versionWith((copy) => {
      flipByte(join(copy, 'model.safetensors'), (size) => size >> 1);
    });
    assert.notEqual(changed, (await readModelInfo(dir)).version);
  });

  it('changes with the tokenizer, the config and the docids', async () => {
    const versions = [(await readModelInfo(dir)).version];
    for (const [file, edit] of [
      ['tokenizer.json', (json) => (json.truncation = { max_length: 7 })],
      ['tokenizer_config.json', (json) => (json.extra = true)],
      ['config.json', (json) => (json.layer_norm_epsilon = 1e-5)],
      ['genir.json', (json) => (json.docids as string[]).reverse()],
    ] satisfies [string, (json: Record<string, unknown>) => void][])
      versions.push(await versionWith((copy) => editJson(join(copy, file), edit)));
    assert.equal(new Set(versions).size, 5);
  });
});

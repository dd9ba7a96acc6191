/** Stages kept in a model's genir.json. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { storeCircuit, toStored } from '../../analysis/circuit.ts';
import {
  stageOf,
  StagesError,
  GenirWriteError,
  storedStages,
  storeStages,
  storeStepStages,
  type Stages,
} from '../../analysis/stages.ts';
import { ModelFolderError, readModelFolder } from '../../models/folder.ts';
import { modelVersion } from '../../models/model-version.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writeTinyModel } from '../support/tiny-model.ts';

const scratch = tempFolder();
let made = 0;
const tiny = (): string => writeTinyModel(join(scratch, `${++made}`), { config: { num_decoder_layers: 4 } });

const stages: Stages = {
  version: 1,
  layers: 4,
  ranking: 'docids',
  queries: 33,
  priming: null,
  bridging: { from: 0, to: 2, fromInterval: [0, 0], toInterval: [2, 3], confidence: 0.99 },
  interaction: { from: 3, to: 4, fromInterval: [3, 3], toInterval: [4, 4], confidence: 1 },
  mlps: [{ layer: 3, loss: 1, marginLoss: 2.5, low: 2, high: 3, keptAlone: 0.9 }],
};

const stored = (dir: string): Stages | undefined => {
  const { genir } = readModelFolder(dir);
  assert.ok(genir);
  return storedStages(dir, genir, 4);
};

describe('storeStages', () => {
  it('is read back by storedStages, and replaces what was stored before', () => {
    const dir = tiny();
    assert.equal(stored(dir), undefined);
    storeStages(dir, { ...stages, queries: 7 });
    storeStages(dir, stages);
    assert.deepEqual(stored(dir), stages);
  });

  it('changes no byte of anything else', () => {
    const dir = tiny();
    const file = join(dir, 'genir.json');
    const others = readdirSync(dir).filter((name) => name !== 'genir.json');
    const contents = () => others.map((name) => readFileSync(join(dir, name)));
    const before = { genir: readFileSync(file, 'utf8'), others: contents() };
    storeStages(dir, stages);
    const after = readFileSync(file, 'utf8');
    const added = JSON.stringify({ stages }, null, 2).slice(2, -2);
    assert.equal(after, before.genir.replace(/\n\}\n$/, `,\n${added}\n}\n`));
    assert.deepEqual(contents(), before.others);
    assert.equal(readdirSync(dir).length, others.length + 1);
  });

  for (const [name, indent] of [
    ['tabs', '\t'],
    ['one line', undefined],
  ] as const)
    it(`keeps the form of a file of ${name}, and fields that are not ours`, () => {
      const dir = tiny();
      const file = join(dir, 'genir.json');
      const genir = { ...(JSON.parse(readFileSync(file, 'utf8')) as object), note: 'by hand' };
      writeFileSync(file, JSON.stringify(genir, null, indent));
      storeStages(dir, stages);
      assert.equal(readFileSync(file, 'utf8'), JSON.stringify({ ...genir, stages }, null, indent));
    });

  it('leaves the version of the model, as storeStepStages and storeCircuit do', async () => {
    const dir = tiny();
    const before = await modelVersion(dir);
    storeStages(dir, stages);
    storeStepStages(dir, [{ ...stages, step: 1 }]);
    const loss = { searched: { mean: 0, low: 0, high: 0 }, test: null };
    storeCircuit(dir, toStored({ layers: [], means: [] }, { queries: 33, loss }));
    assert.ok(['stages', 'stepStages', 'circuit'].every((field) => field in readModelFolder(dir).genir!));
    assert.equal(await modelVersion(dir), before);
    const file = join(dir, 'genir.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"d0"', '"d00"'));
    assert.notEqual(await modelVersion(dir), before);
  });

  it('says so where it cannot write, and leaves the file as it was', () => {
    const dir = tiny();
    const file = join(dir, 'genir.json');
    const before = readFileSync(file, 'utf8');
    mkdirSync(`${file}.tmp-${process.pid}`); // stands where the new file would be written
    assert.throws(
      () => storeStages(dir, stages),
      (error) => {
        assert.ok(error instanceof GenirWriteError);
        assert.equal(error.file, file);
        assert.match(error.message, /expected to store what was found, got .*make the folder writable/);
        return true;
      },
    );
    assert.equal(readFileSync(file, 'utf8'), before);
  });

  it('does not touch a genir.json that is not ours', () => {
    const dir = tiny();
    writeFileSync(join(dir, 'genir.json'), '{}');
    assert.throws(() => storeStages(dir, stages), ModelFolderError);
    assert.equal(readFileSync(join(dir, 'genir.json'), 'utf8'), '{}');
  });
});

describe('storedStages', () => {
  it('refuses stages of another depth, beyond the last layer, or damaged', () => {
    const dir = tiny();
    const { genir } = readModelFolder(dir);
    assert.ok(genir);
    const check = (changed: object, layers = 4) =>
      storedStages(dir, { ...genir, stages: { ...stages, ...changed } }, layers);
    assert.deepEqual(check({}), stages);
    assert.throws(() => check({}, 6), /those of 6 decoder layers, got 4 layers/);
    assert.throws(
      () => check({ bridging: { ...stages.bridging, to: 5 } }),
      /bridging within layers 0 to 4, got \[0, 5\)/,
    );
    assert.throws(() => check({ bridging: { ...stages.bridging, from: 2 } }), StagesError);
    assert.throws(() => check({ mlps: [{}] }), StagesError);
    const [mlp] = stages.mlps;
    assert.throws(() => check({ mlps: [mlp, { ...mlp, layer: 4 }] }), /MLPs within layers 0 to 4, got that of layer 4/);
  });

  it('knows the stage of a layer', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((layer) => stageOf(stages, layer)),
      ['bridging', 'bridging', undefined, 'interaction'],
    );
  });
});

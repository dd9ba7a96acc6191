/** E3 on planted models, with donors, and against models that have the ablation in their weights. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { componentTypes, type ComponentType } from '../../../analysis/components.ts';
import { DonorError } from '../../../analysis/donors.ts';
import { DEPTHS, stagePatching, type StagePatching } from '../../../analysis/experiments/stage-patching.ts';
import { stageNames, type StageName, type Stages } from '../../../analysis/stages.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { plantedSubject } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import {
  mechanismNames,
  mechanisms,
  threeStages,
  writePlantedModel,
  type PlantedModel,
} from '../../support/planted-model.ts';

const scratch = tempFolder();

/** The stages as they are planted. */
function stagesOf({ expected, queries }: PlantedModel, layers: number): Stages {
  const stage = (name: StageName): Stages[StageName] => {
    const range = expected.stages[name];
    if (!range) return null;
    const [from, to] = range;
    return { from, to, fromInterval: [from, from], toInterval: [to, to], confidence: 1 };
  };
  return {
    version: 1,
    layers,
    ranking: 'vocabulary',
    queries: queries.length,
    priming: stage('priming'),
    bridging: stage('bridging'),
    interaction: stage('interaction'),
    mlps: [],
  };
}

const left = (result: StagePatching, stage: StageName, type: ComponentType, by: 'zero' | 'mean'): number => {
  const row = result.rows.find((one) => one.stage === stage && one.type === type && one.by === by);
  assert.ok(row);
  return row.beyond[0];
};

describe('stage patching, planted models', () => {
  for (const name of mechanismNames)
    it(`loses all or nothing in ${name}, as planted`, async () => {
      const model = writePlantedModel(join(scratch, name), { mechanism: mechanisms[name] });
      const stages = stagesOf(model, 6);
      const result = await stagePatching.run(await plantedSubject(model, { stages }));
      assert.deepEqual(
        result.baseline.beyond,
        DEPTHS.map(() => 0),
      );
      const present = stageNames.filter((stage) => model.expected.stages[stage]);
      assert.deepEqual([...new Set(result.rows.map(({ stage }) => stage))], present);
      for (const stage of present)
        for (const type of componentTypes)
          for (const by of ['zero', 'mean'] as const) {
            const isKilling =
              (stage === 'priming' && type === 'mlp' && by === 'zero') ||
              (stage === 'bridging' && type === 'cross_attn') ||
              (stage === 'interaction' && type === 'mlp');
            assert.equal(left(result, stage, type, by), isKilling ? 1 : 0, `${stage} ${type} ${by}`);
          }
      const { findings, tables } = stagePatching.section(result, stages);
      assert.equal(findings.filter((text) => text.includes('This model has no')).length, 3 - present.length);
      assert.equal(tables[0].rows.length, 1 + result.rows.length);
    });

  it('has nothing to say without stages but the baseline', async () => {
    const model = writePlantedModel(join(scratch, 'no stages'), { mechanism: mechanisms['one-mlp'] });
    const none = { ...stagesOf(model, 6), bridging: null, interaction: null };
    const result = await stagePatching.run(await plantedSubject(model, { stages: none }));
    assert.deepEqual(result.rows, []);
    assert.equal(stagePatching.section(result, none).figures.length, 0);
  });
});

describe('stage patching, donors', () => {
  const model = writePlantedModel(join(scratch, 'subject'), { mechanism: mechanisms['three-stages'] });
  const stages = stagesOf(model, 6);

  it('loses nothing by its own outputs', async () => {
    const donors = [readModelFolder(model.dir)];
    const { rows, layers } = await stagePatching.run(await plantedSubject(model, { stages, donors }));
    const own = rows.filter(({ by }) => typeof by !== 'string');
    assert.deepEqual([own.length, layers.length], [9, 18]);
    for (const { beyond } of [...own, ...layers])
      assert.deepEqual(
        beyond,
        DEPTHS.map(() => 0),
      );
  });

  it('loses what a donor does elsewhere, keeps what it does in the same place', async () => {
    // Priming, reading and translation one layer later: the donor's layers 4 still read.
    const donor = writePlantedModel(join(scratch, 'donor'), { mechanism: threeStages(2, 5, 6) });
    const donors = [readModelFolder(donor.dir)];
    const { rows } = await stagePatching.run(await plantedSubject(model, { stages, donors }));
    const of = (stage: StageName, type: ComponentType): number | undefined =>
      rows.find((row) => row.stage === stage && row.type === type && typeof row.by !== 'string')?.beyond[0];
    assert.equal(of('priming', 'mlp'), 0); // the same priming
    assert.equal(of('bridging', 'cross_attn'), 0); // two thirds of the key word
    assert.equal(of('interaction', 'mlp'), 0); // all of the translation, in layer 5
    const late = writePlantedModel(join(scratch, 'late donor'), { mechanism: threeStages(4, 5, 6) });
    const other = await stagePatching.run(await plantedSubject(model, { stages, donors: [readModelFolder(late.dir)] }));
    const cross = other.rows.find(
      ({ stage, type, by }) => stage === 'bridging' && type === 'cross_attn' && typeof by !== 'string',
    );
    assert.equal(cross?.beyond[0], 1); // it does not read before layer 4
  });

  it('loses by single layers what a donor does not do there, a figure for each donor also without stages', async () => {
    const subject = writePlantedModel(join(scratch, 'one layer each'), { mechanism: threeStages(1, 2, 3) });
    const other = writePlantedModel(join(scratch, 'elsewhere', 'model'), { mechanism: threeStages(2, 3, 4) });
    const same = writePlantedModel(join(scratch, 'alike', 'model'), { mechanism: threeStages(1, 2, 3) });
    const donors = [other, same].map(({ dir }) => readModelFolder(dir));
    const none = { ...stagesOf(subject, 6), priming: null, bridging: null, interaction: null };
    const result = await stagePatching.run(await plantedSubject(subject, { stages: none, donors }));
    const losing = (donor: string): string[] =>
      result.layers.flatMap((one) => (one.donor === donor && one.beyond[0] === 1 ? [`${one.type} ${one.layer}`] : []));
    assert.deepEqual(losing('model'), ['cross_attn 1', 'mlp 2']); // the donor reads in layer 2, translates in 3
    assert.deepEqual(losing('model (2)'), []);
    const { figures } = stagePatching.section(result, none);
    assert.deepEqual(
      figures.map(({ title }) => title.replace('One component of one layer replaced by donor ', '')),
      ['model', 'model (2)'],
    );
  });

  it('refuses a donor of another shape by both shapes', async () => {
    const shorter = writePlantedModel(join(scratch, 'shorter'), { mechanism: threeStages(1, 2, 3), decoderLayers: 3 });
    const subject = await plantedSubject(model, { stages, donors: [readModelFolder(shorter.dir)] });
    await assert.rejects(stagePatching.run(subject), (error) => {
      assert.ok(error instanceof DonorError);
      assert.match(error.message, /num_decoder_layers 6 .*got .*num_decoder_layers 3/);
      return true;
    });
  });
});

/** Stages found on models whose stages are known, and on evidence written by hand. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ComponentType } from '../../analysis/components.ts';
import { layerSweeps, settingsFor } from '../../analysis/experiments/layer-sweeps.ts';
import { localize } from '../../analysis/localize.ts';
import { correctQueries, NothingCorrectError, rankings } from '../../analysis/population.ts';
import { stageNames, stagesSchema, type Stages } from '../../analysis/stages.ts';
import { stagesSection } from '../../analysis/stages-section.ts';
import type { LayerSweeps, Setting } from '../../analysis/sweep-evidence.ts';
import { createRng } from '../../corpus/random.ts';
import { openLab, plantedSubject, subjectOf } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { ownQueries } from '../support/own-queries.ts';
import {
  crossOnly,
  layersFrom,
  mechanismNames,
  mechanisms,
  oneMlp,
  redundant,
  threeStages,
  writePlantedModel,
  type Expected,
  type PlantedModelOptions,
} from '../support/planted-model.ts';
import { texts, writeTinyModel } from '../support/tiny-model.ts';

const scratch = tempFolder();

const boundaries = (stages: Stages): Expected['stages'] => {
  const range = (name: (typeof stageNames)[number]): [number, number] | null => {
    const stage = stages[name];
    return stage && [stage.from, stage.to];
  };
  return { priming: range('priming'), bridging: range('bridging'), interaction: range('interaction') };
};

const found = (sweeps: LayerSweeps): Stages => localize(sweeps, { rng: createRng(1), resamples: 500 });

const planted: Readonly<Record<string, PlantedModelOptions>> = {
  ...Object.fromEntries(mechanismNames.map((name) => [name, { mechanism: mechanisms[name] }])),
  ...Object.fromEntries(
    mechanismNames.map((name) => [`${name} with noise`, { mechanism: mechanisms[name], noise: 0.01 }]),
  ),
  'three stages of four layers': { mechanism: threeStages(1, 2, 4), decoderLayers: 4 },
  'three stages of four layers with noise': { mechanism: threeStages(1, 3, 4), decoderLayers: 4, noise: 0.01 },
  'three stages of twelve layers': { mechanism: threeStages(4, 8, 12), decoderLayers: 12, documents: 24 },
  'three stages of twelve layers with noise': { mechanism: threeStages(3, 6, 12), decoderLayers: 12, noise: 0.01 },
  'one MLP among twelve layers': { mechanism: oneMlp([5, 6, 7], 9), decoderLayers: 12, noise: 0.01 },
  'cross-attention alone in four layers': { mechanism: crossOnly([1]), decoderLayers: 4, noise: 0.01 },
  'redundant MLPs apart': { mechanism: redundant([2, 3], [5, 8]), decoderLayers: 12 },
};

describe('localize, planted models', () => {
  for (const [name, options] of Object.entries(planted))
    for (const ranking of name in mechanisms ? rankings : (['vocabulary'] as const))
      it(`finds ${name} (${ranking})`, async () => {
        const model = writePlantedModel(join(scratch, `${name} ${ranking}`), options);
        const sweeps = await layerSweeps.run(await plantedSubject(model, { ranking }));
        const stages = found(sweeps);
        assert.deepEqual(boundaries(stages), model.expected.stages);
        for (const stage of stageNames) assert.ok((stages[stage]?.confidence ?? 1) === 1);
        const { translates, redundant: either } = options.mechanism;
        const ranked = stages.mlps.map(({ layer }) => layer);
        assert.deepEqual(new Set(ranked.slice(0, translates.length)), new Set(translates));
        if (!model.expected.stages.interaction)
          assert.deepEqual(new Set(ranked), new Set(layersFrom(0, stages.layers)));
        else if (either || translates.length === 1)
          for (const { layer, keptAlone } of stages.mlps)
            assert.equal(keptAlone, translates.includes(layer) ? 1 : 0, `layer ${layer}`);
        const { findings } = stagesSection(sweeps, stages);
        stageNames.forEach((stage, i) => assert.equal(findings[i].includes('There is no'), stages[stage] === null));
      });
});

/** What is replaced in a run. */
type Replaced = (type: ComponentType, layer: number) => boolean;

/** Sweeps of a decoder that does not exist: a query leads by 10, or by what `margin` says of a run. */
function sweepsOf(
  layers: number,
  queries: number,
  margin: (query: number, replaced: Replaced, by: Setting['by']) => number,
): LayerSweeps {
  const outcome = (replaced: Replaced, by: Setting['by']) => {
    const margins = layersFrom(0, queries).map((query) => margin(query, replaced, by));
    const rank = margins.map((one) => (one < 0 ? 2 : 1));
    return { rank, docidRank: rank, margin: margins };
  };
  const runs = settingsFor(layers).map((setting) => {
    const { types, from, to, except, by } = setting;
    const replaced: Replaced = (type, layer) => types.includes(type) && layer >= from && layer < to && layer !== except;
    return { ...setting, ...outcome(replaced, by) };
  });
  return { layers, ranking: 'vocabulary', clean: outcome(() => false, 'mean'), runs };
}

describe('localize, evidence by hand', () => {
  it('takes all layers of which each is needed, and those between them', () => {
    const needed = [2, 4];
    const stages = found(
      sweepsOf(6, 20, (_, replaced) =>
        needed.some((l) => replaced('mlp', l)) || replaced('cross_attn', 0) || replaced('cross_attn', 1) ? -1 : 10,
      ),
    );
    assert.deepEqual(boundaries(stages), { priming: null, bridging: [0, 2], interaction: [2, 5] });
    assert.deepEqual(
      stages.mlps.map(({ layer }) => layer),
      [2, 4, 3],
    );
    assert.deepEqual(stages.mlps[0], { layer: 2, loss: 1, marginLoss: 11, low: 11, high: 11, keptAlone: 0 });
  });

  it('keeps layers that can make up for each other', () => {
    // Any two of layers 1 to 4 are enough to keep rank 1, one is not; the margin tells them from none.
    const left = (replaced: Replaced, type: ComponentType) => [1, 2, 3, 4].filter((l) => !replaced(type, l)).length;
    const margins = [-8, -2, 10, 10, 10];
    const stages = found(sweepsOf(6, 20, (_, replaced) => margins[left(replaced, 'cross_attn')]));
    assert.deepEqual(boundaries(stages), { priming: null, bridging: [1, 5], interaction: null });
    assert.deepEqual(boundaries(found(sweepsOf(6, 20, (_, replaced) => margins[left(replaced, 'mlp')]))), {
      priming: null,
      bridging: null,
      interaction: [1, 5],
    });
  });

  it('claims no stage whose effect may be within the tolerance', () => {
    const lostBy = (lost: number) =>
      found(sweepsOf(3, 40, (query, replaced) => (query < lost && replaced('mlp', 1) ? -1 : 10))).interaction;
    assert.equal(lostBy(2), null); // 5 %
    assert.equal(lostBy(3), null); // 7.5 %, but less than 5 % in many resamples
    const stage = lostBy(12);
    assert.deepEqual([stage?.from, stage?.to], [1, 2]);
  });

  it('gives the interval of a boundary that depends on the queries drawn', () => {
    // One query in ten needs the MLP of layer 1: just as much as may lie outside a stage.
    const stages = found(sweepsOf(4, 100, (query, replaced) => (replaced('mlp', query < 10 ? 1 : 2) ? -1 : 10)));
    assert.deepEqual(stages.interaction, {
      from: 2,
      to: 3,
      fromInterval: [1, 2],
      toInterval: [3, 3],
      confidence: 1,
    });
  });

  it('calls first layers priming only if they are needed and do the same for every query', () => {
    const model = (mean: number, zero: number) =>
      boundaries(
        found(
          sweepsOf(4, 20, (_, replaced, by) => {
            if (replaced('cross_attn', 2) || replaced('mlp', 3)) return -1;
            return replaced('mlp', 0) || replaced('mlp', 1) ? (by === 'mean' ? mean : zero) : 10;
          }),
        ),
      ).priming;
    assert.deepEqual(model(10, -1), [0, 2]);
    assert.deepEqual(model(9.9, -1), [0, 2]);
    assert.equal(model(10, 10), null);
    assert.equal(model(-1, -1), null);
  });

  it('leaves out of bridging what cross-attention does inside the interaction stage', () => {
    const stages = found(
      sweepsOf(6, 20, (_, replaced) =>
        [1, 2, 4].some((l) => replaced('cross_attn', l)) || [3, 5].some((l) => replaced('mlp', l)) ? -1 : 10,
      ),
    );
    assert.deepEqual(boundaries(stages), { priming: null, bridging: [1, 3], interaction: [3, 6] });
    assert.match(
      stagesSection(
        sweepsOf(6, 20, () => 10),
        stages,
      ).findings[1],
      /Inside the interaction stage/,
    );
  });

  it('draws no boundaries where documents rise on average, though some leave rank 1', () => {
    const stages = found(
      sweepsOf(4, 50, (query, replaced) => {
        if (query % 5 === 0) return replaced('mlp', 2) ? -1 : 10;
        return replaced('mlp', 0) ? 30 : 10;
      }),
    );
    assert.deepEqual(boundaries(stages).interaction, [0, 4]);
  });

  it('says the same again for the same seed', () => {
    const sweeps = sweepsOf(4, 50, (query, replaced) => (replaced('mlp', query % 3) ? -query : 10));
    assert.deepEqual(found(sweeps), found(sweeps));
    stagesSchema.parse(found(sweeps));
  });
});

describe('localize, random models', () => {
  it('claims nothing from one query, which is its own mean', async () => {
    const lab = openLab(writeTinyModel(join(scratch, 'one query')));
    const sweeps = await layerSweeps.run(
      await subjectOf(lab, await ownQueries(lab, texts.slice(0, 1)), { ranking: 'docids' }),
    );
    assert.deepEqual(boundaries(found(sweeps)), { priming: null, bridging: null, interaction: null });
  });

  it('has nothing to start from where no query is answered', async () => {
    const lab = openLab(writeTinyModel(join(scratch, 'nothing correct')));
    const own = await ownQueries(lab, texts);
    const judged = own.map(({ text, docid }, i) => ({ id: `q${i}`, text, relevant: [docid === 'd0' ? 'd1' : 'd0'] }));
    await assert.rejects(correctQueries(lab, judged, { ranking: 'docids', limit: 10, seed: 1 }), (error) => {
      assert.ok(error instanceof NothingCorrectError);
      assert.match(error.message, /got 0 of 10 over the vocabulary and 0 of 10 among docids/);
      return true;
    });
  });
});

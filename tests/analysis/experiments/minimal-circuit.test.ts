/** Circuits on planted models, where it is known what is needed, and the search on functions of known optimum. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  circuitPatches,
  keptIn,
  publishedCircuit,
  searchCircuit,
  storeCircuit,
  wholeDecoder,
  type Effect,
  type Layers,
} from '../../../analysis/circuit.ts';
import { componentTypes, outputOf, type ComponentType } from '../../../analysis/components.ts';
import { minimalCircuit, type MinimalCircuit } from '../../../analysis/experiments/minimal-circuit.ts';
import type { Subject } from '../../../analysis/experiments/experiment.ts';
import { componentMeans, runPatched } from '../../../analysis/patch-runs.ts';
import type { Stage, Stages } from '../../../analysis/stages.ts';
import { circuitSchema, type LayerCircuit, type Treatment } from '../../../models/circuit-record.ts';
import { DocidDecoder } from '../../../models/decode.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { plantedSubject } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanisms, writePlantedModel, type MechanismName, type PlantedModel } from '../../support/planted-model.ts';

const dir = tempFolder();

const stage = (range: readonly [number, number] | null): Stage | null =>
  range && {
    from: range[0],
    to: range[1],
    fromInterval: [range[0], range[0]],
    toInterval: [range[1], range[1]],
    confidence: 1,
  };
const stagesOf = (
  layers: number,
  ranges: Readonly<Record<'priming' | 'bridging' | 'interaction', readonly [number, number] | null>>,
  mlps: readonly number[] = [],
): Stages => ({
  version: 1,
  layers,
  ranking: 'vocabulary',
  queries: 1,
  priming: stage(ranges.priming),
  bridging: stage(ranges.bridging),
  interaction: stage(ranges.interaction),
  mlps: mlps.map((layer) => ({ layer, loss: 1, marginLoss: 1, low: 0, high: 1, keptAlone: 1 })),
});

/** "cross_attn 2" for each component with this treatment. */
const withTreatment = (layers: Layers, wanted: Treatment): string[] =>
  layers.flatMap((one, layer) =>
    componentTypes.filter((type) => one[type] === wanted).map((type) => `${type} ${layer}`),
  );

describe('the published circuit', () => {
  // arXiv 2503.19715: T5-large, stages 0–6, 7–17, 18–23.
  const stages = stagesOf(24, { priming: [0, 7], bridging: [7, 18], interaction: [18, 24] });
  const circuit = publishedCircuit(stages);
  const layersOf = (type: ComponentType, wanted: Treatment): number =>
    circuit.filter((layer) => layer[type] === wanted).length;

  it('replaces what Table 4 says, and keeps 23 of 72 components', () => {
    const counts = componentTypes.map((type) => (['zero', 'mean', 'keep'] as const).map((t) => layersOf(type, t)));
    assert.deepEqual(counts, [
      [24, 0, 0],
      [7, 0, 17],
      [0, 18, 6],
    ]);
    assert.equal(keptIn(circuit), 23);
  });

  it('is patched at just these outputs', () => {
    const means = new Map(circuit.map((_, layer) => [outputOf('mlp', layer), new Float32Array([layer])]));
    const patches = circuitPatches(circuit, (at) => means.get(at)!).filter(({ queries }) => queries === undefined);
    const replaced = (by: 'zero' | 'mean'): string[] =>
      patches.filter((patch) => (patch.by === 'zero') === (by === 'zero')).map(({ at }) => at);
    const outputs = (type: ComponentType, to: number): string[] =>
      Array.from({ length: to }, (_, layer) => outputOf(type, layer));
    assert.deepEqual(new Set(replaced('zero')), new Set([...outputs('attn', 24), ...outputs('cross_attn', 7)]));
    assert.deepEqual(replaced('mean'), outputs('mlp', 18));
    assert.ok(patches.every(({ at, by }) => by === 'zero' || by === means.get(at)));
  });

  it('keeps layers of no stage whole', () => {
    const partial = publishedCircuit(stagesOf(5, { priming: null, bridging: [1, 3], interaction: [4, 5] }));
    const whole: LayerCircuit = { attn: 'keep', cross_attn: 'keep', mlp: 'keep' };
    assert.deepEqual([partial[0], partial[3]], [whole, whole]);
    assert.equal(keptIn(partial), 3 + 1 + 1 + 3 + 2);
  });
});

describe('the search', () => {
  /** Losses of a circuit by what it keeps. */
  const search = (
    loss: (kept: ReadonlySet<string>) => number,
    options: { required?: [number, ComponentType][] } = {},
  ) =>
    searchCircuit({
      layers: 2,
      maxLoss: 0.02,
      required: (options.required ?? []).map(([layer, type]) => ({ layer, type })),
      evaluate(layers): Promise<Effect> {
        const logLoss = loss(new Set(withTreatment(layers, 'keep')));
        return Promise.resolve({ lost: logLoss > 1 ? 1 : 0, logLoss });
      },
    });

  it('keeps what is needed and one of two that make up for each other', async () => {
    const { layers, steps } = await search((kept) =>
      kept.has('cross_attn 0') && (kept.has('mlp 0') || kept.has('mlp 1')) ? (kept.has('mlp 1') ? 0.1 : 0.2) : 5,
    );
    assert.deepEqual(withTreatment(layers, 'keep'), ['cross_attn 0', 'mlp 1']);
    assert.deepEqual(withTreatment(layers, 'mean'), []); // zero before the mean where they cost the same
    assert.deepEqual(
      steps.map(({ kept }) => kept),
      [5, 4, 3, 2],
    );
  });

  it('replaces nothing where all is needed', async () => {
    const { layers, steps } = await search((kept) => 5 * (6 - kept.size));
    assert.deepEqual([layers, steps], [wholeDecoder(2), []]);
  });

  it('keeps what it is told to', async () => {
    const { layers } = await search(() => 0, { required: [[1, 'mlp']] });
    assert.deepEqual(withTreatment(layers, 'keep'), ['mlp 1']);
  });

  it('takes a component back where that makes two others needless', async () => {
    // "mlp 0" suffices alone, as do "cross_attn 1" and "mlp 1" together, which a greedy search prefers to it.
    const { layers } = await search((kept) => {
      const others = [...kept].filter((one) => one !== 'mlp 0').length;
      const pair = kept.has('mlp 1') && kept.has('cross_attn 1');
      if (!pair && !kept.has('mlp 0')) return 5;
      return 0.04 * (5 - others) + (kept.has('mlp 0') ? 0 : 0.05) + (pair ? 0 : 0.5);
    });
    assert.deepEqual(withTreatment(layers, 'keep'), ['mlp 0']);
  });
});

interface Found {
  readonly model: PlantedModel;
  readonly subject: Subject;
  readonly result: MinimalCircuit;
}
async function find(name: MechanismName, noise: number, stages = true): Promise<Found> {
  const model = writePlantedModel(join(dir, `${name}-${noise}`), { mechanism: mechanisms[name], noise });
  const subject = await plantedSubject(model, {
    ...(stages && { stages: stagesOf(6, model.expected.stages) }),
    test: model.queries.slice(0, 20).map(({ text, docid }, i) => ({ id: `t${i}`, text, relevant: [docid] })),
  });
  return { model, subject, result: await minimalCircuit.run(subject) };
}

/** The fewest components of those the mechanism uses that keep every query at rank 1, by trying all. */
async function fewest({ subject }: Found, name: MechanismName): Promise<number> {
  const { bridges, translates, primes, rotates } = mechanisms[name];
  const used = [
    ...bridges.map((layer) => ({ layer, type: 'cross_attn' as const })),
    ...translates.map((layer) => ({ layer, type: 'mlp' as const })),
  ];
  const idle: LayerCircuit = { attn: 'zero', cross_attn: 'zero', mlp: 'zero' };
  const base = Array.from({ length: 6 }, (_, layer) => ({
    ...idle,
    ...(primes.includes(layer) && { mlp: 'mean' as const }),
    ...(rotates.includes(layer) && { attn: 'mean' as const }),
  }));
  const treatments: Treatment[] = ['keep', 'mean', 'zero'];
  const circuits = Array.from({ length: 3 ** used.length }, (_, i) => {
    const layers: LayerCircuit[] = [...base];
    used.forEach(({ layer, type }, j) => {
      layers[layer] = { ...layers[layer], [type]: treatments[Math.floor(i / 3 ** j) % 3] };
    });
    return layers;
  });
  const mean = await componentMeans(subject.lab, subject.encoded);
  const outcomes = await runPatched(
    subject.lab,
    circuits.map((layers) => circuitPatches(layers, mean)),
    {
      encoded: subject.encoded,
      documents: subject.population.questions.map(({ document }) => document),
      ranking: 'docids',
    },
  );
  return Math.min(...circuits.filter((_, i) => outcomes[i].docidRank.every((rank) => rank === 1)).map(keptIn));
}

describe('on a planted model', () => {
  for (const name of ['three-stages', 'one-mlp', 'cross-only', 'redundant', 'self-attention'] as const)
    for (const noise of [0, 0.01])
      it(`${name}, noise ${noise}: finds planted components alone, and as few as trying all finds`, async () => {
        const found = await find(name, noise);
        const { bridges, translates } = mechanisms[name];
        const planted = new Set([...bridges.map((i) => `cross_attn ${i}`), ...translates.map((i) => `mlp ${i}`)]);
        const circuit = found.result.circuits.found!;
        const kept = withTreatment(circuit.layers, 'keep');
        assert.ok(
          kept.every((component) => planted.has(component)),
          kept.join(),
        );
        assert.equal(kept.length, await fewest(found, name));
        const { mean, low, high } = circuit.lost;
        assert.deepEqual([mean, low], [0, 0]);
        // None of n lost: the share under which that has a probability of 2.5 %.
        assert.ok(Math.abs(high - (1 - 0.025 ** (1 / found.result.searched))) < 1e-9, `${high}`);
        assert.deepEqual(found.result.test!.circuits.found!.success.docids, [1, 1, 1]);
      });

  it('serves the circuit found as it was measured', async () => {
    const { model, result } = await find('three-stages', 0.01);
    const before = readFileSync(join(model.dir, 'genir.json'), 'utf8');
    storeCircuit(model.dir, result.stored);
    const folder = readModelFolder(model.dir);
    assert.deepEqual(circuitSchema.parse(folder.genir!.circuit), result.stored);
    assert.deepEqual(folder.genir, { ...(JSON.parse(before) as object), circuit: result.stored });
    const decoder = await DocidDecoder.open(folder, { circuit: true });
    const answers = await decoder.retrieve(model.queries.map(({ text }) => ({ query: text, k: 1 })));
    await decoder.close();
    assert.deepEqual(
      answers.map(({ rows }) => folder.genir!.docids[rows[0]]),
      model.queries.map(({ docid }) => docid),
    );
  });

  it('keeps the MLP that edits write to', async () => {
    const { model, subject } = await find('redundant', 0);
    for (const layer of mechanisms.redundant.translates) {
      const stages = stagesOf(6, model.expected.stages, [layer]);
      const { circuits, required } = await minimalCircuit.run({ ...subject, stages });
      assert.deepEqual(required, [{ layer, type: 'mlp' }]);
      assert.deepEqual(withTreatment(circuits.found!.layers, 'keep'), ['cross_attn 1', `mlp ${layer}`]);
    }
  });

  it('tells what was found, also without stages and without test queries', async () => {
    const { subject, result } = await find('three-stages', 0);
    assert.equal(result.circuits.published!.kept, 6);
    assert.equal(result.circuits.published!.lost.mean, 0);
    const section = minimalCircuit.section(result, subject.stages);
    assert.match(section.findings.join(), /The published circuit keeps 6 of 18 components; 0\.0.% of the correct/);
    const { subject: without } = await find('three-stages', 0, false);
    const bare = await minimalCircuit.run({ ...without, test: [] });
    assert.deepEqual([bare.test, bare.stored.loss.test, bare.circuits.published], [null, null, undefined]);
    assert.match(minimalCircuit.section(bare, undefined).findings.join(), /no published circuit.*/);
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });

  it('ends by the reason of its signal', async () => {
    const { subject } = await find('one-mlp', 0);
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(minimalCircuit.run({ ...subject, signal }), /enough/);
  });
});

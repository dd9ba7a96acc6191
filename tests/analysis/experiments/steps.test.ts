/** Experiments by decoding step: planted models, and random ones against single queries. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { componentTypes, outputOf, type ComponentType } from '../../../analysis/components.ts';
import { stepContributions } from '../../../analysis/experiments/step-contributions.ts';
import { stepLens, type StepPoint } from '../../../analysis/experiments/step-lens.ts';
import { stepSweeps } from '../../../analysis/experiments/step-sweeps.ts';
import { forcedOutcomes } from '../../../analysis/path-population.ts';
import { sweepEvidence } from '../../../analysis/sweep-evidence.ts';
import { cosine, medianOfDefined, norm } from '../../../analysis/vectors.ts';
import { createRng } from '../../../corpus/random.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';

const scratch = tempFolder();

for (const prefix of ['attn', 'own'] as const)
  for (const query of ['attn', 'cross'] as const)
    describe(`step by step: previous tokens by ${prefix}, query by ${query}`, async () => {
      const planted = writePlantedPathModel(join(scratch, `${prefix}-${query}`), { prefix, query });
      const subject = await pathSubjectOf(openPathLab(planted.dir), planted.queries);
      const swept = await stepSweeps.run(subject);
      const lens = await stepLens.run(subject);

      it('is lost with what brings it, and with nothing else', () => {
        assert.deepEqual(
          swept.steps.map(({ step }) => step),
          [1, 2, 3],
        );
        for (const { step, sweeps } of swept.steps) {
          const { cost, queries } = sweepEvidence(sweeps);
          const needed: Record<ComponentType, number | null> = {
            attn: step > 1 && (prefix === 'attn' || query === 'attn') ? 1 : null,
            cross_attn: step === 1 || query === 'cross' ? 0 : null,
            mlp: null,
          };
          for (const type of componentTypes)
            for (let layer = 0; layer < swept.layers; layer++)
              for (const by of ['zero', 'mean'] as const) {
                const lost = cost(by, type, layer, layer + 1).left.reduce((a, b) => a + b, 0) / queries;
                assert.equal(lost, Number(needed[type] === layer), `step ${step}, ${type} ${layer}, ${by}`);
              }
        }
      });

      it('has a bridging stage where cross-attention reads the query, and no other', () => {
        for (const { step, stages } of swept.steps) {
          const { bridging } = stages;
          const isRead = step === 1 || query === 'cross';
          assert.deepEqual(bridging && [bridging.from, bridging.to], isRead ? [0, 1] : null, `step ${step}`);
          assert.deepEqual([stages.priming, stages.interaction], [null, null], `step ${step}`);
        }
      });

      it('is seen through the lens where it was put', () => {
        const at = (step: number, layer: number, point: StepPoint['point']): StepPoint =>
          lens.points.find((one) => one.step === step && one.layer === layer && one.point === point)!;
        assert.equal(at(1, 0, 'resid_mid').rank === 1, false);
        assert.equal(at(1, 0, 'resid_mid_cross').rank, 1);
        for (const step of [2, 3]) {
          const known =
            prefix === 'own' && query === 'cross' ? at(step, 0, 'resid_mid_cross') : at(step, 1, 'resid_mid');
          assert.equal(known.rank, 1);
          assert.equal(at(step, 0, 'resid_mid').rank === 1, false);
          const writes = prefix === 'attn' || query === 'attn';
          assert.equal(at(step, 1, 'attn').rank === null, !writes); // zero vectors rank nothing
          if (prefix === 'attn' && query === 'attn') {
            assert.equal(at(step, 1, 'attn').allowedRank, 1);
            // Read alone, u and v say nothing of the step: the second and the third token that name them share it all.
            assert.ok(Math.abs(at(step, 1, 'attn').allowedMass! - 0.5) < 1e-3);
            assert.equal(at(step, 1, 'attn').rank, 1.5);
          }
        }
      });
    });

describe('experiments by step on a random model', async () => {
  const rng = createRng(9);
  const paths = randomPaths(rng, 14);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const queries = paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
  const subject = await pathSubjectOf(lab, queries, 'docids');
  const { questions } = subject.population;
  const lens = await stepLens.run(subject);
  const contributions = await stepContributions.run(subject);
  const swept = await stepSweeps.run(subject);
  const outcomes = await forcedOutcomes(lab, questions);

  it('see in the last state what the model answers', () => {
    lens.queries.forEach((count, position) => {
      const here = outcomes.filter(({ length }) => length > position).map((steps) => steps[position]);
      assert.equal(count, here.length);
      const last = lens.points.findLast(({ step, point }) => step === position + 1 && point === 'resid_post')!;
      assert.equal(last.rank, medianOfDefined(here.map(({ rank }) => rank.vocabulary)));
      assert.equal(last.allowedRank, medianOfDefined(here.map(({ rank }) => rank.docids)));
    });
  });

  it('measure lengths and directions as for each query alone', async () => {
    const [layer, position] = [1, 1];
    const sums = new Map(componentTypes.map((type) => [type, { ratio: 0, cosine: 0, count: 0 }]));
    for (const { text, document } of questions) {
      const inputs = lab.inputsOf(document);
      if (inputs.length <= position) continue;
      const [pre, post] = [`decoder.${layer}.resid_pre`, `decoder.${layer}.resid_post`] as const;
      const read = [pre, post, ...componentTypes.map((type) => outputOf(type, layer))];
      const reading = await lab.decode(await lab.encode([text]), [inputs], { read });
      const D = lab.config.d_model;
      const row = (name: string): Float32Array => reading[name].data.subarray(position * D, (position + 1) * D);
      const change = norm(row(post).map((x, d) => x - row(pre)[d]));
      for (const type of componentTypes) {
        const sum = sums.get(type)!;
        sum.ratio += norm(row(outputOf(type, layer))) / change;
        sum.cosine += cosine(row(outputOf(type, layer)), row(post));
        sum.count++;
      }
    }
    for (const type of componentTypes) {
      const { ratio, cosine: direction, count } = sums.get(type)!;
      const found = contributions.contributions.find(
        (one) => one.step === position + 1 && one.layer === layer && one.type === type,
      )!;
      assertClose([found.ratio!, found.cosine!], [ratio / count, direction / count], type);
    }
  });

  it('start from the unpatched model, where there is a choice', () => {
    for (const { step, sweeps } of swept.steps) {
      const here = questions.flatMap(({ document }, q) => {
        const expected = lab.expectedOf(document);
        return expected.length >= step && expected[step - 1].allowed.length > 1 ? [outcomes[q][step - 1]] : [];
      });
      assert.deepEqual(
        sweeps.clean.docidRank,
        here.map(({ rank }) => rank.docids),
      );
    }
  });

  it('are plain JSON with sections', () => {
    for (const [one, result] of [
      [stepLens, lens],
      [stepContributions, contributions],
      [stepSweeps, swept],
    ] as const) {
      assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
      const section = one.section(result as never);
      assert.ok(section.findings.length > 0 && section.figures.length > 0, section.id);
    }
  });
});

/** @file Every way to find the target values of MLP edits, under its name. */
import { InvalidEditError } from '../methods/method.ts';
import { competitionOf } from './competition.ts';
import { descend, type GradientOptions } from './gradient.ts';
import { marginTargets, type MarginOptions } from './margin.ts';
import { spread } from './spread.ts';
import { lastStream, layerStream } from './stream.ts';
import type { TargetMethod } from './target.ts';

export interface TargetOptions {
  readonly margin: MarginOptions;
  readonly gradient: GradientOptions;
}
export type TargetMethodName = keyof TargetOptions;

export const targetMethods: { readonly [M in TargetMethodName]: TargetMethod<TargetOptions[M]> } = {
  margin: {
    meaning: 'the smallest change that gives the own row its margin, by Newton steps in closed form',
    source: 'the first-order minimum-norm step on the lead, through the Jacobian of the RMSNorm',
    defaults: { margin: 8, steps: 3, clamp: 0.75 },
    async find(model, { observed, own, aside }, options) {
      const last = model.layers.at(-1)!;
      if (last !== model.lastLayer)
        throw new InvalidEditError(
          'margin targets',
          `a window that ends with decoder layer ${model.lastLayer}`,
          `one that ends with layer ${last}`,
          'use gradient targets',
        );
      const change = await marginTargets(model, observed, own, options, aside);
      if (model.layers.length === 1) return new Map([[last, change]]);
      return spread(model, await model.atomicLab.encode(observed.texts), model.layers, change);
    },
  },
  gradient: {
    meaning: 'Adam on the cross-entropy with labels that go from soft to hard, until the margin is there',
    source: 'Meng et al., ICLR 2023 (v*); labels as in DOME (arXiv 2603.02773)',
    defaults: { steps: 30, rate: 0.05, alpha: 0.3, margin: 8, clamp: 0.75, decay: 0.5 },
    async find(model, problem, options) {
      const last = model.layers.at(-1)!;
      const competition = await competitionOf(model, problem);
      if (model.layers.length === 1 && last === model.lastLayer)
        return new Map([[last, await descend(await lastStream(model, problem, competition), problem.own, options)]]);
      const encoded = await model.atomicLab.encode(problem.observed.texts);
      const stream =
        last === model.lastLayer
          ? await lastStream(model, problem, competition)
          : await layerStream(model, competition, encoded, last);
      return spread(model, encoded, model.layers, await descend(stream, problem.own, options));
    },
  },
};

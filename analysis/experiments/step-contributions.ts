/**
 * @file E2 by decoding step (arXiv 2503.19715 §5, Fig. 3): how much each component adds to the residual stream at the
 * position of each step, and in which direction.
 */
import type { ActivationName } from '../../models/activations.ts';
import { componentNames, componentTypes, outputOf, type ComponentType } from '../components.ts';
import { rowsAt } from '../path-population.ts';
import { layersText } from '../report/layers.ts';
import type { HeatmapFigure, LinesFigure, Section, Value } from '../report/section.ts';
import { cosine, meanOfDefined, norm } from '../vectors.ts';
import { queriesByStep, type PathExperiment, type PathSubject } from './path-experiment.ts';

/** Means over queries; null where no query has one, since something was zero. */
export interface StepContribution {
  /** Counted from 1. */
  readonly step: number;
  readonly layer: number;
  readonly type: ComponentType;
  /** ‖c‖₂ / ‖r_end − r_begin‖₂: the component's output against what the whole layer changes. */
  readonly ratio: Value;
  /** cos(c, r_end): the residual stream after the layer. */
  readonly cosine: Value;
}

export interface StepContributions {
  readonly layers: number;
  /** By step, from 1 on. */
  readonly queries: readonly number[];
  readonly contributions: readonly StepContribution[];
}

async function run(subject: PathSubject): Promise<StepContributions> {
  const { lab, population, encoded, signal } = subject;
  const plan = queriesByStep(subject);
  const tokens = population.questions.map(({ document }) => lab.inputsOf(document));
  const contributions: StepContribution[] = [];
  for (let layer = 0; layer < lab.layers; layer++) {
    signal?.throwIfAborted();
    const [pre, post]: ActivationName[] = [`decoder.${layer}.resid_pre`, `decoder.${layer}.resid_post`];
    const read = [pre, ...componentTypes.map((type) => outputOf(type, layer)), post];
    const reading = await lab.decode(encoded, tokens, { read });
    for (const [position, queries] of plan.entries()) {
      const places = queries.map((q) => [q, position] as const);
      const rows = (name: ActivationName): Float32Array[] => {
        const { data, shape } = rowsAt(reading[name], places);
        return queries.map((_, i) => data.subarray(i * shape[1], (i + 1) * shape[1]));
      };
      const [before, after] = [rows(pre), rows(post)];
      const change = after.map((row, i) => norm(row.map((x, d) => x - before[i][d])));
      for (const type of componentTypes) {
        const outputs = rows(outputOf(type, layer));
        contributions.push({
          ...{ step: position + 1, layer, type },
          ratio: meanOfDefined(outputs.map((output, i) => (change[i] ? norm(output) / change[i] : NaN))),
          cosine: meanOfDefined(outputs.map((output, i) => cosine(output, after[i]))),
        });
      }
    }
    subject.onProgress(layer + 1, lab.layers);
  }
  contributions.sort((a, b) => a.step - b.step || a.layer - b.layer);
  return { layers: lab.layers, queries: plan.map(({ length }) => length), contributions };
}

function section({ layers: L, queries, contributions }: StepContributions): Section {
  const layers = Array.from({ length: L }, (_, layer) => layer);
  const steps = queries.map((_, i) => i + 1);
  const at = (step: number, layer: number, type: ComponentType): StepContribution =>
    contributions.find((one) => one.step === step && one.layer === layer && one.type === type)!;
  const lines = (type: ComponentType): LinesFigure => ({
    kind: 'lines',
    title: `Length of what ${componentNames[type]} adds`,
    xs: layers,
    x: { label: 'layer' },
    y: { label: '‖output‖ / ‖change by the layer‖' },
    series: steps.map((step) => ({
      name: `step ${step}`,
      values: layers.map((layer) => at(step, layer, type).ratio),
    })),
  });
  const rows = steps.flatMap((step) => componentTypes.map((type) => ({ step, type })));
  const directions: HeatmapFigure = {
    kind: 'heatmap',
    title: 'Direction against the stream after the layer',
    caption: 'Cosine; below 0 where a component takes from the stream.',
    xLabel: 'layer',
    yLabel: 'step, output of',
    xs: layers.map(String),
    ys: rows.map(({ step, type }) => `${step}, ${type}`),
    values: rows.map(({ step, type }) => layers.map((layer) => at(step, layer, type).cosine)),
    format: 'number',
    domain: [-1, 1],
  };
  const longest = componentTypes.flatMap((type) =>
    steps.flatMap((step) => {
      const lengthOf = (layer: number, one: ComponentType): number => at(step, layer, one).ratio ?? 0;
      const here = layers.filter(
        (layer) =>
          lengthOf(layer, type) > 0 && componentTypes.every((one) => lengthOf(layer, one) <= lengthOf(layer, type)),
      );
      return here.length
        ? [`Step ${step}: the output of ${componentNames[type]} is the longest in ${layersText(here)}.`]
        : [];
    }),
  );
  return {
    id: 'step-contributions',
    title: 'Contributions to the residual stream, step by step',
    about:
      'At the position of each decoding step: how long the outputs of self-attention (`attn`), cross-attention (`cross_attn`) and MLP (`mlp`) are against all that their layer adds, and their direction. ' +
      'At step 1 self-attention reads the start token alone; from step 2 on it reads tokens of the docid too. A long output is not yet a used one.',
    findings: longest,
    figures: [...componentTypes.map(lines), directions],
    tables: [
      {
        title: 'Contributions by step and layer',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layer', format: 'integer' },
          { name: 'component' },
          { name: 'length ratio', format: 'number' },
          { name: 'cosine after', format: 'number' },
        ],
        rows: contributions.map(({ step, layer, type, ratio, cosine: direction }) => [
          ...[step, layer, type, ratio, direction],
        ]),
      },
    ],
  };
}

export const stepContributions: PathExperiment<StepContributions> = { label: 'E2 by step', version: 1, run, section };

/**
 * @file E2 (arXiv 2503.19715 §5, Fig. 3): how much each component adds to the residual stream in each layer, and whether
 * it adds along the stream or against it.
 */
import type { ActivationName } from '../../models/activations.ts';
import type { FloatTensor } from '../../models/session.ts';
import { componentTypes, outputOf, type ComponentType } from '../components.ts';
import { stageBands } from '../report/bands.ts';
import { formatNumber } from '../report/format.ts';
import { layersText } from '../report/layers.ts';
import type { LinesFigure, Section, Value } from '../report/section.ts';
import type { Stages } from '../stages.ts';
import { cosine, Mean, norm } from '../vectors.ts';
import type { Experiment, Subject } from './experiment.ts';

/** [L] one value for each layer; null where no query has one, since something was zero. */
type ByLayer = Readonly<Record<ComponentType, readonly Value[]>>;

/** All values are means over queries. */
export interface Contributions {
  readonly layers: number;
  readonly queries: number;
  /** ‖c‖₂ / ‖r_end − r_begin‖₂: the component's output against what the whole layer changes. */
  readonly ratio: ByLayer;
  /** cos(c, r_begin): the residual stream before the layer, as the paper's text has it. */
  readonly cosineBegin: ByLayer;
  /** cos(c, r_end): the residual stream after the layer, as the paper's figure caption and code have it. */
  readonly cosineEnd: ByLayer;
  /** [type][layer][layer of the MLP]: cosine of the component's output and that of an MLP. */
  readonly cosineWithMlp: Readonly<Record<ComponentType, readonly (readonly Value[])[]>>;
}

async function run(subject: Subject): Promise<Contributions> {
  const { lab, encoded, signal } = subject;
  const L = lab.layers;
  const layers = Array.from({ length: L }, (_, layer) => layer);
  const perLayer = <T>(make: () => T): Record<ComponentType, T[]> => ({
    attn: layers.map(make),
    cross_attn: layers.map(make),
    mlp: layers.map(make),
  });
  const mean = (): Mean => new Mean();
  const ratio = perLayer(mean);
  const begin = perLayer(mean);
  const end = perLayer(mean);
  const withMlp = perLayer(() => layers.map(mean));
  const read = layers.flatMap((layer): ActivationName[] => [
    `decoder.${layer}.resid_pre`,
    ...componentTypes.map((type) => outputOf(type, layer)),
    `decoder.${layer}.resid_post`,
  ]);

  let done = 0;
  for await (const { batch, out } of lab.decodeBatches(encoded, { read })) {
    signal?.throwIfAborted();
    for (let b = 0; b < batch.queries.length; b++) {
      const of = (name: ActivationName): Float32Array => rowOf(out[name], b);
      const mlps = layers.map((layer) => of(outputOf('mlp', layer)));
      for (const layer of layers) {
        const [before, after] = [of(`decoder.${layer}.resid_pre`), of(`decoder.${layer}.resid_post`)];
        const change = norm(after.map((x, i) => x - before[i]));
        for (const type of componentTypes) {
          const output = of(outputOf(type, layer));
          ratio[type][layer].add(change ? norm(output) / change : NaN);
          begin[type][layer].add(cosine(output, before));
          end[type][layer].add(cosine(output, after));
          mlps.forEach((mlp, i) => withMlp[type][layer][i].add(cosine(output, mlp)));
        }
      }
    }
    subject.onProgress((done += batch.queries.length), encoded.count);
  }
  const values = (means: Record<ComponentType, Mean[]>): ByLayer => byType((type) => means[type].map((m) => m.value));
  return {
    layers: L,
    queries: encoded.count,
    ratio: values(ratio),
    cosineBegin: values(begin),
    cosineEnd: values(end),
    cosineWithMlp: byType((type) => withMlp[type].map((row) => row.map((m) => m.value))),
  };
}

function rowOf({ data, shape }: FloatTensor, b: number): Float32Array {
  const width = data.length / shape[0];
  return data.subarray(b * width, (b + 1) * width);
}

const byType = <T>(of: (type: ComponentType) => T): Record<ComponentType, T> => ({
  attn: of('attn'),
  cross_attn: of('cross_attn'),
  mlp: of('mlp'),
});

function section(result: Contributions, stages: Stages | undefined): Section {
  const layers = Array.from({ length: result.layers }, (_, layer) => layer);
  const lines = (title: string, label: string, by: ByLayer, domain?: readonly [number, number]): LinesFigure => ({
    kind: 'lines',
    title,
    xs: layers,
    x: { label: 'layer' },
    y: { label, ...(domain && { domain }) },
    series: componentTypes.map((name) => ({ name, values: by[name] })),
    bands: stageBands(stages),
  });
  return {
    id: 'contributions',
    title: 'Contributions to the residual stream',
    about:
      'Each layer adds the outputs of self-attention (`attn`), cross-attention (`cross_attn`) and the MLP (`mlp`) to the ' +
      'residual stream. The first figure shows how long each output is, against the length of all that the layer adds: ' +
      'outputs that cancel each other can both be above 1. The other two show its direction: a cosine near 1 strengthens ' +
      'what is in the stream, one below 0 takes from it. The stream is taken before the layer in one figure and after it, ' +
      'with the output in it, in the other: arXiv 2503.19715 has the first in its text and the second in its figure.\n\n' +
      'It read the stages of its models off this figure by eye. A long output is not yet a used one: which components matter is ' +
      'told by replacing them.',
    findings: [crossings(result), against(result), lateAgainstEarly(result, stages)],
    figures: [
      lines('Length of outputs', '‖output‖ / ‖change by the layer‖', result.ratio),
      lines('Direction against the stream before the layer', 'cosine', result.cosineBegin, [-1, 1]),
      lines('Direction against the stream after the layer', 'cosine', result.cosineEnd, [-1, 1]),
      ...componentTypes.map((type) => ({
        kind: 'heatmap' as const,
        title: `Outputs of ${type} beside outputs of MLPs`,
        caption: 'Cosine of the two outputs; below 0 where a component takes out what an MLP puts in.',
        xLabel: 'layer of the MLP',
        yLabel: `layer of ${type}`,
        xs: layers.map(String),
        ys: layers.map(String),
        values: result.cosineWithMlp[type],
        format: 'number' as const,
        domain: [-1, 1] as const,
      })),
    ],
    tables: [
      {
        title: 'Contributions by layer',
        columns: [
          { name: 'layer', format: 'integer' },
          { name: 'component' },
          { name: 'length ratio', format: 'number' },
          { name: 'cosine before', format: 'number' },
          { name: 'cosine after', format: 'number' },
        ],
        rows: layers.flatMap((layer) =>
          componentTypes.map((type) => [
            layer,
            type,
            result.ratio[type][layer],
            result.cosineBegin[type][layer],
            result.cosineEnd[type][layer],
          ]),
        ),
      },
    ],
  };
}

/** Where cross-attention contributes more than the MLP: how the paper reads its bridging stage off the figure. */
function crossings({ ratio, layers }: Contributions): string {
  const above = Array.from({ length: layers }, (_, layer) => layer).filter(
    (layer) => (ratio.cross_attn[layer] ?? 0) > (ratio.mlp[layer] ?? 0),
  );
  return above.length
    ? `The output of cross-attention is longer than that of the MLP in ${layersText(above)}.`
    : 'In no layer is the output of cross-attention longer than that of the MLP.';
}

function against({ cosineEnd }: Contributions): string {
  const told = componentTypes.flatMap((type) => {
    const negative = [...cosineEnd[type].keys()].filter((layer) => (cosineEnd[type][layer] ?? 0) < 0);
    if (!negative.length) return [];
    const lowest = Math.min(...negative.map((layer) => cosineEnd[type][layer]!));
    return [`\`${type}\` in ${layersText(negative)} (lowest cosine ${formatNumber(lowest)})`];
  });
  return told.length
    ? `Outputs that point against the stream after their layer: ${told.join('; ')}.`
    : 'No output points against the stream after its layer.';
}

/** The paper's late components: cosine below −0.9 with outputs of the first stage's MLPs. */
function lateAgainstEarly({ cosineWithMlp, layers }: Contributions, stages: Stages | undefined): string {
  const { priming, interaction } = stages ?? {};
  const staged = priming && interaction;
  let lowest: { value: number; type: ComponentType; layer: number; mlp: number } | undefined;
  for (const type of componentTypes)
    for (let layer = staged ? interaction.from : 1; layer < (staged ? interaction.to : layers); layer++)
      for (let mlp = staged ? priming.from : 0; mlp < (staged ? priming.to : layer); mlp++) {
        const value = cosineWithMlp[type][layer][mlp];
        if (value !== null && value < (lowest?.value ?? Infinity)) lowest = { value, type, layer, mlp };
      }
  const where = staged
    ? 'between the interaction stage and MLPs of the priming stage'
    : 'between a component and an earlier MLP';
  if (!lowest) return `There is no pair of outputs ${where} to compare.`;
  const { value, type, layer, mlp } = lowest;
  return (
    `The lowest cosine ${where} is ${formatNumber(value)}: \`${type}\` of layer ${layer} and the MLP of layer ${mlp}. ` +
    'arXiv 2503.19715 reports values below −0.9 for late components and MLPs of the first stage.'
  );
}

export const contributions: Experiment<Contributions> = {
  label: 'E2',
  version: 1,
  needsStages: false,
  run,
  section,
};

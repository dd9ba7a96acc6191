/**
 * @file Attribution patching (Nanda 2023; Syed, Rager and Conmy, BlackboxNLP 2024): what replacing each component would do,
 * estimated for all of them from one gradient, beside what it does.
 */
import { createRng, shuffle } from '../../corpus/random.ts';
import type { ActivationName } from '../../models/activations.ts';
import { estimate, FINAL, gradientsOf, marginMetric, patchOf, unitsOf } from '../gradient-attribution.ts';
import type { ComponentType } from '../components.ts';
import type { Encoded } from '../lab.ts';
import { meanOf } from '../patch.ts';
import { formatNumber, formatValue } from '../report/format.ts';
import { cosine } from '../vectors.ts';
import type { Experiment, Subject } from './experiment.ts';

export const replacements = ['zero', 'mean'] as const;
export type ReplacementName = (typeof replacements)[number];

/** Mean change of the margin over queries, in logits: negative where the component is needed. */
export interface Effect {
  /** (replacement − activation) · ∂margin/∂activation. */
  readonly estimated: number;
  /** Margin with the component replaced, minus margin. */
  readonly actual: number;
}

/** How far estimates are from the truth. Correlations are Pearson's; null where one of the two does not vary. */
export interface Agreement {
  /** Over components, of mean effects. */
  readonly correlation: number | null;
  /** Over all pairs of a query and a component. */
  readonly byQuery: number | null;
  /** The component whose mean effect is estimated worst, by its place in `components`, and estimated − actual. */
  readonly worst: number;
  readonly error: number;
}

export interface AttributionPatchingResult {
  readonly queries: number;
  /** Mean logit of the document minus that of the best other docid, with nothing replaced. */
  readonly margin: number;
  /** Components by layer, and behind them every head of cross-attention. */
  readonly components: readonly {
    readonly type: ComponentType;
    readonly layer: number;
    /** null: the whole component. */
    readonly head: number | null;
    readonly zero: Effect;
    readonly mean: Effect;
  }[];
  readonly agreement: { readonly [R in ReplacementName]: Agreement };
  /** Wall-clock seconds for all estimates, and for all true runs. */
  readonly seconds: { readonly estimates: number; readonly runs: number };
}

/** Queries taken, at most: true patching needs two runs for each component and head. */
const MOST_QUERIES = 128;

export const attributionPatching: Experiment<AttributionPatchingResult> = {
  label: 'AtP',
  version: 1,
  needsStages: false,

  async run(subject) {
    const { lab } = subject;
    const { encoded, documents } = await drawn(subject);
    const units = unitsOf(lab);
    const points = [...new Set(units.map(({ at }) => at))];
    const clean = await lab.decode(encoded, { read: [...points, FINAL] });
    const metric = await marginMetric(lab, clean, documents);
    const margin = metric.of(clean[FINAL]);

    const begun = performance.now();
    const gradients = await gradientsOf(lab, encoded, metric.direction);
    const replacing = { zero: undefined, mean: new Map(points.map((at) => [at, meanOf(clean[at])])) };
    const estimates = units.map((unit) => ({
      zero: estimate(unit, clean, gradients, replacing.zero),
      mean: estimate(unit, clean, gradients, replacing.mean),
    }));
    const estimated = performance.now();

    const off = new Uint8Array(encoded.count);
    const actual: { [R in ReplacementName]: Float64Array }[] = [];
    for (const unit of units) {
      const effect = async (means?: ReadonlyMap<ActivationName, Float32Array>): Promise<Float64Array> => {
        subject.signal?.throwIfAborted();
        const patches = points.map((at) =>
          at === unit.at ? patchOf(unit, means?.get(at), clean[at]) : ({ at, by: 'zero', queries: off } as const),
        );
        const patched = await lab.decode(encoded, { read: [FINAL], patches });
        return metric.of(patched[FINAL]).map((value, q) => value - margin[q]);
      };
      actual.push({ zero: await effect(replacing.zero), mean: await effect(replacing.mean) });
      subject.onProgress(actual.length, units.length);
    }
    const finished = performance.now();

    const components = units.map(({ type, layer, head }, i) => {
      const by = (name: ReplacementName): Effect => ({
        estimated: average(estimates[i][name]),
        actual: average(actual[i][name]),
      });
      return { type, layer, head, zero: by('zero'), mean: by('mean') };
    });
    const agree = (name: ReplacementName): Agreement => {
      const errors = components.map((one) => one[name].estimated - one[name].actual);
      const worst = errors.reduce((most, error, i) => (Math.abs(error) > Math.abs(errors[most]) ? i : most), 0);
      return {
        correlation: correlation(
          components.map((one) => one[name].estimated),
          components.map((one) => one[name].actual),
        ),
        byQuery: correlation(
          estimates.flatMap((one) => [...one[name]]),
          actual.flatMap((one) => [...one[name]]),
        ),
        worst,
        error: errors[worst],
      };
    };
    return {
      queries: encoded.count,
      margin: average(margin),
      components,
      agreement: { zero: agree('zero'), mean: agree('mean') },
      seconds: { estimates: (estimated - begun) / 1000, runs: (finished - estimated) / 1000 },
    };
  },

  section(result) {
    const { queries, margin, components, agreement, seconds } = result;
    const nameOf = ({ type, layer, head }: (typeof components)[number]): string =>
      `${type} ${layer}${head === null ? '' : ` head ${head}`}`;
    const groupOf = ({ type, head }: (typeof components)[number]): string =>
      head === null ? type : `${type}, one head`;
    return {
      id: 'attribution-patching',
      title: 'Can effects be read off a gradient?',
      about: [
        'Replacing a component and running the decoder again tells what the component does; it takes a run for each component. ' +
          'Attribution patching estimates the same from one backward pass: (replacement − activation) · ∂margin/∂activation, for every ' +
          'component, every layer and every head of cross-attention at once (Nanda 2023; Syed et al. 2024). It is a tangent: exact for small changes, ' +
          'and where the network behind the component is linear. It fails where a component is a large part of the residual stream: without it the ' +
          'norms behind it divide by less, so that everything else counts for more, which a tangent does not see.',
        'The margin is the logit of the document minus that of the docid which is the best other one in the unpatched run, so that it is the same ' +
          `direction in all runs. Its mean over the ${queries} queries taken is ${formatNumber(margin)}. Components are replaced by zero and by their means over the queries. ` +
          'Negative effects say that the component is needed.',
      ].join('\n\n'),
      findings: replacements
        .flatMap((name) => finding(name, agreement[name]))
        .concat(
          `All estimates took ${formatNumber(seconds.estimates)} s, all ${2 * components.length} true runs ${formatNumber(seconds.runs)} s: ${formatNumber(seconds.runs / seconds.estimates)} times as long.`,
        ),
      figures: replacements.map((name) => ({
        kind: 'scatter' as const,
        title: `Estimated and actual effect, ${name} in the component’s place`,
        caption: 'One point for each component or head. On the diagonal the estimate is right.',
        xLabel: 'actual change of the margin',
        yLabel: 'estimated change',
        points: components.map((one) => ({
          x: one[name].actual,
          y: one[name].estimated,
          name: nameOf(one),
          group: groupOf(one),
        })),
        diagonal: true,
      })),
      tables: [
        {
          title: 'Effect of replacing each component on the margin',
          columns: [
            { name: 'component' },
            { name: 'layer', format: 'integer' },
            { name: 'head', format: 'integer' },
            { name: 'zero, estimated', format: 'number' },
            { name: 'zero, actual', format: 'number' },
            { name: 'mean, estimated', format: 'number' },
            { name: 'mean, actual', format: 'number' },
          ],
          rows: components.map(({ type, layer, head, zero, mean }) => [
            ...[type, layer, head, zero.estimated, zero.actual, mean.estimated, mean.actual],
          ]),
        },
      ],
    };

    function finding(name: ReplacementName, { correlation, byQuery, worst, error }: Agreement): string[] {
      const one = components[worst];
      const agreeing =
        correlation === null || byQuery === null
          ? `With ${name} in their place no component has an effect that differs from the others’.`
          : `With ${name} in their place, estimated and actual effects of components correlate by ${formatNumber(correlation)} (over pairs of query and component by ${formatNumber(byQuery)}).`;
      const sizable = components.filter((other) => Math.abs(other[name].actual) > SIZABLE * Math.abs(margin));
      const reversed = sizable.filter((other) => other[name].actual * other[name].estimated < 0);
      return [
        agreeing,
        `Of ${sizable.length} components and heads that change the margin by more than ${formatValue(SIZABLE, 'percent')}, ${reversed.length || 'none'} ${reversed.length > 1 ? 'have' : 'has'} an estimate of the wrong sign.`,
        `The worst estimate there is ${nameOf(one)}: ${formatNumber(one[name].estimated)} where it is ${formatNumber(one[name].actual)}, off by ${formatNumber(Math.abs(error))} of a margin of ${formatNumber(margin)}.`,
      ];
    }
  },
};

/** Share of the margin beyond which an effect's sign is worth telling. */
const SIZABLE = 0.01;

/** The correct queries, or some of them drawn by the seed. */
async function drawn({ lab, population, encoded, seed }: Subject): Promise<{ encoded: Encoded; documents: number[] }> {
  const all = Int32Array.from(population.questions.keys());
  const few = shuffle(all, createRng(seed)).slice(0, MOST_QUERIES).sort();
  const questions = Array.from(few, (q) => population.questions[q]);
  return {
    encoded: few.length === encoded.count ? encoded : await lab.encode(questions.map(({ text }) => text)),
    documents: questions.map(({ document }) => document),
  };
}

const average = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Pearson's. */
function correlation(a: readonly number[], b: readonly number[]): number | null {
  const centred = (values: readonly number[]): number[] => {
    const mean = values.reduce((x, y) => x + y, 0) / values.length;
    return values.map((x) => x - mean);
  };
  const value = cosine(centred(a), centred(b));
  return Number.isNaN(value) ? null : value;
}

import { areaY, dot, lineY, rect, text, type Markish } from '@observablehq/plot';
import { margin, spanOf, textWidth, ticksOf, type Drawn } from '../drawing.ts';
import { formatValue, isShown } from '../format.ts';
import { looksOf } from '../palette.ts';
import type { Band, Column, Format, Line, Table, Value } from '../section.ts';

/** What lines and rank curves have in common. */
export interface Curves {
  readonly xs: readonly (number | string)[];
  readonly xLabel: string;
  readonly series: readonly Line[];
  readonly bands: readonly Band[];
  readonly format: Format;
}

/** Where each x stands: at its number, or one after the other where they are not increasing numbers. */
function positionsOf(xs: readonly (number | string)[]): number[] {
  const increasing = xs.every((x, i) => typeof x === 'number' && (i === 0 || x > Number(xs[i - 1])));
  return increasing ? xs.map(Number) : xs.map((_, i) => i);
}

/** The middle between neighbours, and as far outside the first and the last. One more than there are positions. */
function edgesOf(at: readonly number[]): number[] {
  if (at.length < 2) return [(at[0] ?? 0) - 0.5, (at[0] ?? 0) + 0.5];
  const inner = at.slice(1).map((x, i) => (x + at[i]) / 2);
  const last = at.length - 1;
  return [at[0] * 1.5 - at[1] / 2, ...inner, at[last] * 1.5 - at[last - 1] / 2];
}

/** The numbers that decide how far the vertical axis goes. */
export const spanOfLines = (series: readonly Line[], positive: boolean): [number, number] =>
  spanOf(
    series
      .flatMap(({ values, low, high }) => [...values, ...(low ?? []), ...(high ?? [])])
      .filter((value) => !positive || (value !== null && value > 0)),
  );

/** Round values between the ends of a logarithmic axis: powers of ten, and 2 and 5 times them where these are few. */
export function logTicks([low, high]: readonly [number, number]): number[] {
  const powers = Array.from(
    { length: Math.floor(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, i) => 10 ** (Math.floor(Math.log10(low)) + i),
  );
  const within = (ticks: number[]): number[] => ticks.filter((tick) => tick >= low && tick <= high);
  const tens = within(powers);
  return tens.length > 2 ? tens : within(powers.flatMap((power) => [power, 2 * power, 5 * power]));
}

const bandRow = 15;

/** Lines with ribbons and points over the stages; the vertical scale is the caller's. */
export function drawCurves(
  { xs, xLabel, series, bands, format }: Curves,
  width: number,
): Pick<Drawn, 'x' | 'marks' | 'legend' | 'above' | 'below'> {
  const at = positionsOf(xs);
  const edges = edgesOf(at);
  const wide = bands.length > 0 || at.length < 2;
  const domain = wide ? [edges[0], edges[edges.length - 1]] : [at[0], at[at.length - 1]];
  const inner = width - margin.left - margin.right;
  const ticks = ticksOf(at, xs.map(String), inner);
  const labels = new Map(ticks.shown.map((i) => [at[i], ticks.labels[i]]));
  const looks = looksOf(series.map(({ name }) => name));
  const radius = Math.max(1.3, Math.min(3, inner / at.length / 4));

  const spans = bands.map(({ from, to, label }, i) => ({ left: edges[from], right: edges[to + 1], label, i }));
  const scale = inner / (domain[1] - domain[0]);
  const crowded = spans.some(({ left, right, label }) => (right - left) * scale < textWidth(label));
  const bandMarks: Markish[] = [
    rect(spans, {
      x1: 'left',
      x2: 'right',
      fill: 'currentColor',
      fillOpacity: ({ i }: (typeof spans)[number]) => (i % 2 ? 0.09 : 0.04),
    }),
    ...spans.map(({ left, right, label, i }) =>
      text([label], {
        x: (left + right) / 2,
        frameAnchor: 'top',
        lineAnchor: 'bottom',
        dy: -4 - (crowded && i % 2 ? bandRow : 0),
        opacity: 0.75,
      }),
    ),
  ];

  const marks = series.flatMap(({ name, values, low, high }, s): Markish[] => {
    const { color, dash, symbol } = looks[s];
    const points = at.map((x, i) => ({ x, i, y: isShown(values[i]) ? values[i] : NaN }));
    const ribbon = at.map((x, i) => ({ x, low: low?.[i] ?? NaN, high: high?.[i] ?? NaN }));
    return [
      ...(low && high ? [areaY(ribbon, { x: 'x', y1: 'low', y2: 'high', fill: color, fillOpacity: 0.18 })] : []),
      lineY(points, {
        x: 'x',
        y: 'y',
        stroke: color,
        strokeWidth: 1.7,
        strokeLinejoin: 'round',
        ...(dash && { strokeDasharray: dash }),
      }),
      dot(points, {
        x: 'x',
        y: 'y',
        fill: color,
        symbol,
        r: radius,
        title: ({ y, i }: (typeof points)[number]) => `${name}, ${xLabel} ${xs[i]}: ${formatValue(y, format)}`,
      }),
    ];
  });
  return {
    x: {
      type: 'linear',
      domain,
      ticks: [...labels.keys()],
      tickFormat: (x: number) => labels.get(x) ?? '',
      tickRotate: ticks.rotate,
      label: xLabel,
      ...(wide ? {} : { insetLeft: 8, insetRight: 8 }),
    },
    marks: [...(bands.length > 0 ? bandMarks : []), ...marks],
    legend: looks,
    below: ticks.below,
    above: bands.length === 0 ? 0 : crowded ? 2 * bandRow : bandRow,
  };
}

/** Where each line starts, ends and culminates. */
export function describeCurves({ xs, series, format }: Curves): string {
  return series
    .map(({ name, values }) => {
      const shown = values.flatMap((value, i) => (isShown(value) ? [{ value, x: xs[i] }] : []));
      if (shown.length === 0) return `${name}: no values.`;
      const first = shown[0];
      const last = shown[shown.length - 1];
      const top = shown.reduce((best, point) => (point.value > best.value ? point : best));
      const at = ({ value, x }: typeof first): string => `${formatValue(value, format)} at ${x}`;
      return shown.length === 1 ? `${name}: ${at(first)}.` : `${name}: ${at(first)}, ${at(last)}; highest ${at(top)}.`;
    })
    .join(' ');
}

/** One row for each x, one column for each line, and two for its interval. */
export function curvesData({ xs, xLabel, series, format }: Curves): Omit<Table, 'title'> {
  const columns = series.flatMap(({ name, values, low, high }): [Column, readonly Value[]][] => [
    [{ name, format }, values],
    ...(low && high
      ? ([
          [{ name: `${name}, low`, format }, low],
          [{ name: `${name}, high`, format }, high],
        ] as [Column, readonly Value[]][])
      : []),
  ]);
  return {
    columns: [{ name: xLabel, align: 'right' }, ...columns.map(([column]) => column)],
    rows: xs.map((x, i) => [String(x), ...columns.map(([, values]) => values[i] ?? null)]),
  };
}

/** Whether any line has a value. */
export const curvesHaveData = (series: readonly Line[]): boolean => series.some(({ values }) => values.some(isShown));

import { barY, ruleY } from '@observablehq/plot';
import { margin, ticksOf, type Drawing } from '../drawing.ts';
import { formatTick, formatValue, isShown } from '../format.ts';
import { looksOf, paper } from '../palette.ts';
import type { StackedFigure } from '../section.ts';

export const stacked: Drawing<StackedFigure> = {
  hasData: ({ series }) => series.some(({ values }) => values.some(isShown)),
  draw({ xs, xLabel, yLabel, series, format = 'number' }, width) {
    const looks = looksOf(series.map(({ name }) => name));
    const parts = series.flatMap(({ values }, s) =>
      values.flatMap((value, x) => (isShown(value) && value !== 0 ? [{ x, value, ...looks[s] }] : [])),
    );
    const middles = xs.map((_, x) => x);
    const inner = width - margin.left - margin.right;
    const ticks = ticksOf(middles, xs, (inner * (xs.length - 1)) / xs.length);
    return {
      marks: [
        barY(parts, {
          x: 'x',
          y: 'value',
          fill: 'color',
          fillOpacity: 'tone',
          stroke: paper,
          strokeWidth: 0.6,
          order: null,
          title: ({ x, name, value }: (typeof parts)[number]) =>
            `${name}, ${xLabel} ${xs[x]}: ${formatValue(value, format)}`,
        }),
        ruleY([0]),
      ],
      x: {
        type: 'band',
        domain: middles,
        ticks: [...ticks.shown],
        tickFormat: (x: number) => ticks.labels[x],
        tickRotate: ticks.rotate,
        tickSize: 0,
        label: xLabel,
        padding: 0.12,
      },
      y: { grid: true, ticks: 5, tickFormat: (value: number) => formatTick(value, format) },
      yLabel,
      height: 260,
      below: ticks.below,
      legend: looks,
    };
  },
  describe({ xs, series, format = 'number' }) {
    const largest = series.flatMap(({ name, values }) =>
      values.flatMap((value, x) => (isShown(value) ? [{ name, value, x: xs[x] }] : [])),
    );
    const top = largest.reduce((best, one) => (Math.abs(one.value) > Math.abs(best.value) ? one : best));
    const names = series.map(({ name }) => name).join(', ');
    return `Parts ${names} at ${xs.length} positions; the largest is ${top.name} with ${formatValue(top.value, format)} at ${top.x}.`;
  },
  data: ({ xs, xLabel, series, format = 'number' }) => ({
    columns: [{ name: xLabel, align: 'right' }, ...series.map(({ name }) => ({ name, format }))],
    rows: xs.map((x, i) => [x, ...series.map(({ values }) => values[i] ?? null)]),
  }),
};

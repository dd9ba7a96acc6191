import { cell, text } from '@observablehq/plot';
import { fitted, margin, spanOf, textWidth, ticksOf, type Drawing } from '../drawing.ts';
import { formatValue, isShown } from '../format.ts';
import { heat, paper } from '../palette.ts';
import type { HeatmapFigure } from '../section.ts';

/** Ends of the colour scale: 0 is one of them, or its middle. */
function domainOf({ values, domain }: HeatmapFigure): readonly [number, number] {
  if (domain) return domain;
  const [low, high] = spanOf(values.flat());
  if (low < 0) return [-Math.max(-low, high), Math.max(-low, high)];
  return [0, high > 0 ? high : 1];
}

/** Values as they stand in cells: about two digits for the largest, and no unit, which stands at the colour scale. */
function cellWords([low, high]: readonly [number, number], format: 'percent' | 'number'): (value: number) => string {
  const factor = format === 'percent' ? 100 : 1;
  const largest = Math.max(Math.abs(low), Math.abs(high)) * factor;
  const decimals = Math.min(20, Math.max(0, 1 - Math.floor(Math.log10(largest / 2 || 1))));
  return (value) => {
    const words = (value * factor).toFixed(decimals).replace(/^(-?)0\./, '$1.');
    return Number(words) === 0 ? '0' : words.replace('-', '−');
  };
}

/** Stands in cells without a value. */
const missing = '×';

export const heatmap: Drawing<HeatmapFigure> = {
  hasData: ({ values }) => values.some((row) => row.some(isShown)),
  draw(figure, width) {
    const { xs, ys, values, format } = figure;
    const domain = domainOf(figure);
    const left = Math.min(width * 0.4, Math.max(margin.left, ...ys.map((name) => textWidth(name) + 14)));
    const cellWidth = (width - left - margin.right) / xs.length;
    const cellHeight = Math.max(12, Math.min(26, 420 / ys.length));
    const words = cellWords(domain, format);
    const cells = values.flatMap((row, y) =>
      xs.map((_, x) => {
        const value = isShown(row[x]) ? row[x] : null;
        return { x, y, value, ...heat(value, domain), words: value === null ? missing : words(value) };
      }),
    );
    const digits = Math.max(...cells.map(({ words }) => words.length));
    const readable = cellWidth >= digits * 6 + 3 && cellHeight >= 13;
    const middles = xs.map((_, x) => x);
    const ticks = ticksOf(middles, xs, cellWidth * (xs.length - 1));
    return {
      marks: [
        cell(cells, {
          x: 'x',
          y: 'y',
          inset: 0.5,
          fill: 'color',
          fillOpacity: 'opacity',
          stroke: 'currentColor',
          strokeOpacity: 0.14,
          title: ({ x, y, value }: (typeof cells)[number]) =>
            `${figure.yLabel} ${ys[y]}, ${figure.xLabel} ${xs[x]}: ${formatValue(value, format) || 'none'}`,
        }),
        text(
          cells.filter(({ value }) => readable || value === null),
          {
            x: 'x',
            y: 'y',
            text: 'words',
            fill: ({ opacity }: (typeof cells)[number]) => (opacity > 0.6 ? paper : 'currentColor'),
          },
        ),
      ],
      x: {
        type: 'band',
        domain: middles,
        ticks: [...ticks.shown],
        tickFormat: (x: number) => ticks.labels[x],
        tickRotate: ticks.rotate,
        tickSize: 0,
        label: figure.xLabel,
        padding: 0,
      },
      y: {
        type: 'band',
        domain: ys.map((_, y) => y),
        tickFormat: (y: number) => fitted(ys[y], left - 12),
        tickSize: 0,
        padding: 0,
      },
      yLabel: figure.yLabel,
      height: Math.max(1, ys.length) * cellHeight,
      left,
      below: ticks.below,
      legend: { domain, format },
    };
  },
  describe({ xs, ys, values, format }) {
    const cells = values.flatMap((row, y) => row.map((value, x) => ({ value, at: `${ys[y]}, ${xs[x]}` })));
    const shown = cells.flatMap(({ value, at }) => (isShown(value) ? [{ value, at }] : []));
    const top = shown.reduce((best, one) => (one.value > best.value ? one : best));
    const bottom = shown.reduce((best, one) => (one.value < best.value ? one : best));
    return (
      `${ys.length} rows by ${xs.length} columns; highest ${formatValue(top.value, format)} at ${top.at}, ` +
      `lowest ${formatValue(bottom.value, format)} at ${bottom.at}.`
    );
  },
  data: ({ xs, ys, xLabel, yLabel, values, format }) => ({
    columns: [{ name: `${yLabel} \\ ${xLabel}` }, ...xs.map((name) => ({ name, format }))],
    rows: ys.map((name, y) => [name, ...xs.map((_, x) => values[y]?.[x] ?? null)]),
  }),
};

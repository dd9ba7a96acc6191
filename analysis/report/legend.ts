import { dot, rectX, ruleY, text, type Markish } from '@observablehq/plot';
import { fitted, textWidth, type ColorBar, type Drawn } from './drawing.ts';
import { formatValue } from './format.ts';
import { heat, type Look } from './palette.ts';
import type { FigureKind } from './section.ts';

const rowHeight = 18;

/** What stands above the frame, from the top of the picture, in pixels. */
export interface Legend {
  readonly height: number;
  readonly marks: readonly Markish[];
}

/** How a series looks in each kind of figure. */
const signs = {
  lines: 'line',
  ranks: 'line',
  scatter: 'point',
  stacked: 'area',
  bars: 'area',
  heatmap: 'area',
} as const satisfies Record<FigureKind, string>;
type Sign = (typeof signs)[FigureKind];

type Entry = Look & { readonly x: number; readonly y: number };

/** Names of series with their marks, in as many rows as they need. */
function seriesLegend(looks: readonly Look[], sign: Sign, width: number): Legend {
  if (looks.length === 0) return { height: 0, marks: [] };
  let [x, row] = [4, 0];
  const entries = looks.map((look) => {
    const name = fitted(look.name, width - 40);
    const needed = textWidth(name) + 40;
    if (x > 4 && x + needed > width) [x, row] = [4, row + 1];
    const entry = { ...look, name, x, y: row * rowHeight + rowHeight / 2 };
    x += needed;
    return entry;
  });
  const height = (row + 1) * rowHeight + 2;
  const marks = [
    ...(sign === 'line'
      ? entries.map(({ x, y, color, dash }) =>
          ruleY([y], { x1: x, x2: x + 20, stroke: color, strokeWidth: 1.7, ...(dash && { strokeDasharray: dash }) }),
        )
      : []),
    dot(entries, {
      x: ({ x }: Entry) => x + 10,
      y: 'y',
      r: sign === 'area' ? 5 : 3.2,
      fill: 'color',
      ...(sign === 'area' ? { symbol: 'square', fillOpacity: 'tone' } : { symbol: 'symbol' }),
    }),
    text(entries, { x: ({ x }: Entry) => x + 26, y: 'y', text: 'name', textAnchor: 'start' }),
  ];
  return { height, marks };
}

const barWidth = 160;
const barSteps = 32;

function colorBarLegend({ domain, format }: ColorBar): Legend {
  const [low, high] = domain;
  const labels = domain.map((value) => formatValue(value, format));
  const left = textWidth(labels[0]) + 12;
  const steps = Array.from({ length: barSteps }, (_, i) => ({
    x1: left + (i / barSteps) * barWidth,
    x2: left + ((i + 1) / barSteps) * barWidth,
    ...heat(low + ((i + 0.5) / barSteps) * (high - low), domain),
  }));
  const marks = [
    rectX(steps, { x1: 'x1', x2: 'x2', y1: 4, y2: 14, fill: 'color', fillOpacity: 'opacity' }),
    text([labels[0]], { x: left - 5, y: 9, textAnchor: 'end' }),
    text([labels[1]], { x: left + barWidth + 5, y: 9, textAnchor: 'start' }),
  ];
  return { height: rowHeight + 2, marks };
}

/** @param width  of the picture */
export const drawLegend = (legend: Drawn['legend'], kind: FigureKind, width: number): Legend =>
  'domain' in legend ? colorBarLegend(legend) : seriesLegend(legend, signs[kind], width);

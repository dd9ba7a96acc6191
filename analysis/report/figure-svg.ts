import { dot, rectX, ruleY, text } from '@observablehq/plot';
import { margin, textWidth, type ColorBar, type Drawn } from './drawing.ts';
import { colorBarLabels } from './figures/heatmap.ts';
import { drawingOf } from './figures/drawings.ts';
import { heat, type Look } from './palette.ts';
import type { Figure } from './section.ts';
import { plotSvg, sheetSvg, svgNamespace, type SvgElement } from './svg-document.ts';

export interface SvgOptions {
  /** In pixels; the picture may be scaled after. Height follows from the figure. @default 680 */
  readonly width?: number;
}

const rowHeight = 18;
const font = 'system-ui, sans-serif';

interface Legend {
  readonly height: number;
  readonly elements: readonly SvgElement[];
}

type Entry = Look & { readonly x: number; readonly y: number };

/** Names of series with their marks, in as many rows as they need. A single series needs none. */
function seriesLegend(looks: readonly Look[], lines: boolean, width: number): Legend {
  if (looks.length < 2) return { height: 0, elements: [] };
  let [x, row] = [4, 0];
  const entries = looks.map((look) => {
    const needed = textWidth(look.name) + 40;
    if (x > 4 && x + needed > width) [x, row] = [4, row + 1];
    const entry = { ...look, x, y: row * rowHeight + rowHeight / 2 };
    x += needed;
    return entry;
  });
  const height = (row + 1) * rowHeight + 2;
  const marks = [
    ...(lines
      ? entries.map(({ x, y, color, dash }) =>
          ruleY([y], { x1: x, x2: x + 20, stroke: color, strokeWidth: 1.7, ...(dash && { strokeDasharray: dash }) }),
        )
      : []),
    dot(entries, {
      x: ({ x }: Entry) => x + 10,
      y: 'y',
      r: lines ? 3 : 5,
      fill: 'color',
      ...(lines ? { symbol: 'symbol' } : { symbol: 'square', fillOpacity: 'tone' }),
    }),
    text(entries, { x: ({ x }: Entry) => x + 26, y: 'y', text: 'name', textAnchor: 'start' }),
  ];
  return { height, elements: [sheetSvg(width, height, marks)] };
}

const barWidth = 160;
const barSteps = 32;

function colorBarLegend({ domain, format }: ColorBar, width: number): Legend {
  const [low, high] = domain;
  const labels = colorBarLabels(domain, format);
  const left = textWidth(labels[0]) + 12;
  const steps = Array.from({ length: barSteps }, (_, i) => ({
    x1: left + (i / barSteps) * barWidth,
    x2: left + ((i + 1) / barSteps) * barWidth,
    ...heat(low + ((i + 0.5) / barSteps) * (high - low), domain),
  }));
  const marks = [
    rectX(steps, { x1: 'x1', x2: 'x2', y1: 4, y2: 14, fill: 'color', fillOpacity: 'opacity' }),
    text([labels[0]], { x: left - 5, y: 9, textAnchor: 'end' }),
    text([labels[labels.length - 1]], { x: left + barWidth + 5, y: 9, textAnchor: 'start' }),
  ];
  return { height: rowHeight + 2, elements: [sheetSvg(width, rowHeight, marks)] };
}

const nothing: Drawn = {
  marks: [text(['no data'], { frameAnchor: 'middle', opacity: 0.7 })],
  x: { axis: null },
  y: { axis: null },
  yLabel: '',
  height: 60,
  legend: [],
};

const labelRow = 16;

/**
 * A figure as a picture: one `<svg>` element, complete with its legend, that takes its text colour from where it stands
 * and needs neither style sheets nor scripts. Colours are custom properties with defaults (`paletteStyle`).
 */
export function figureSvg(figure: Figure, { width = 680 }: SvgOptions = {}): string {
  const drawing = drawingOf(figure);
  const some = drawing.hasData(figure);
  const drawn = some ? drawing.draw(figure, width) : nothing;
  const lines = figure.kind === 'lines' || figure.kind === 'ranks' || figure.kind === 'scatter';
  const legend =
    'domain' in drawn.legend ? colorBarLegend(drawn.legend, width) : seriesLegend(drawn.legend, lines, width);
  const top = legend.height + (drawn.yLabel ? labelRow : 4) + (drawn.above ?? 0) + 4;
  const bottom = some ? 40 : 4;
  const svg = plotSvg({
    width,
    height: top + drawn.height + bottom,
    marginTop: top,
    marginBottom: bottom,
    marginLeft: drawn.left ?? margin.left,
    marginRight: margin.right,
    x: { labelAnchor: 'center', labelArrow: 'none', ...drawn.x },
    y: { label: null, ...drawn.y },
    marks: [...drawn.marks],
  });
  const label = text([drawn.yLabel], { x: 4, y: legend.height + labelRow / 2, textAnchor: 'start' });
  svg.append(...legend.elements, sheetSvg(width, top, [label]));
  const description = some ? drawing.describe(figure) : 'No data.';
  for (const [name, value] of Object.entries({
    xmlns: svgNamespace,
    class: 'plot',
    role: 'img',
    'aria-label': `${figure.title}. ${description}`,
    'font-family': font,
    'font-size': '11',
  }))
    svg.setAttribute(name, value);
  return svg.outerHTML;
}

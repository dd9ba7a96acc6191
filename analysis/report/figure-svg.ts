import { text } from '@observablehq/plot';
import { margin, type Drawn } from './drawing.ts';
import { drawingOf } from './figures/drawings.ts';
import { escapeHtml } from './html.ts';
import { drawLegend } from './legend.ts';
import type { Figure } from './section.ts';
import { plotSvg, sheetSvg, svgNamespace } from './svg-document.ts';

export interface SvgOptions {
  /** In pixels; the picture may be scaled after. Height follows from the figure. @default 680 */
  readonly width?: number;
}

const nothing: Drawn = {
  marks: [text(['no data'], { frameAnchor: 'middle', opacity: 0.7 })],
  x: { axis: null },
  y: { axis: null },
  yLabel: '',
  height: 60,
  legend: [],
};

const labelRow = 18;

/**
 * A figure as a picture: one `<svg>` element, complete with its legend, that takes its text colour from where it stands
 * and needs neither style sheets nor scripts. Colours are custom properties with defaults (`paletteStyle`).
 */
export function figureSvg(figure: Figure, { width = 680 }: SvgOptions = {}): string {
  const drawing = drawingOf(figure);
  const some = drawing.hasData(figure);
  const drawn = some ? drawing.draw(figure, width) : nothing;
  const legend = drawLegend(drawn.legend, figure.kind, width);
  const top = legend.height + (drawn.yLabel ? labelRow : 4) + (drawn.above ?? 0) + 6;
  const bottom = some ? 40 + (drawn.below ?? 0) : 4;
  const height = top + drawn.height + bottom;
  const svg = plotSvg({
    width,
    height,
    marginTop: top,
    marginBottom: bottom,
    marginLeft: drawn.left ?? margin.left,
    marginRight: margin.right,
    x: { labelAnchor: 'center', labelArrow: 'none', ...drawn.x },
    y: { label: null, ...drawn.y },
    marks: [...drawn.marks],
  });
  const label = text([drawn.yLabel], { x: 4, y: legend.height + labelRow / 2, textAnchor: 'start' });
  svg.append(sheetSvg(width, top, [...legend.marks, label]));
  const attributes = {
    xmlns: svgNamespace,
    class: 'plot',
    role: 'img',
    'aria-label': `${figure.title}. ${some ? drawing.describe(figure) : 'No data.'}`,
    viewBox: `0 0 ${width} ${height}`,
    width: String(width),
    height: String(height),
    fill: 'currentColor',
    'font-family': 'system-ui, sans-serif',
    'font-size': '11',
    'text-anchor': 'middle',
  };
  // The DOM writes attributes for HTML, where & and < may stand bare; this one may also be saved as a file.
  const written = Object.entries(attributes).map(([name, value]) => `${name}="${escapeHtml(value)}"`);
  return `<svg ${written.join(' ')}>${svg.innerHTML}</svg>`;
}

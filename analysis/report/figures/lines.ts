import { ruleY } from '@observablehq/plot';
import type { Drawing } from '../drawing.ts';
import { formatTick } from '../format.ts';
import type { LinesFigure } from '../section.ts';
import {
  curvesData,
  curvesHaveData,
  describeCurves,
  drawCurves,
  logTicks,
  spanOfLines,
  type Curves,
} from './curves.ts';

const curvesOf = ({ xs, x, y, series, bands = [] }: LinesFigure): Curves => ({
  xs,
  xLabel: x.label,
  series,
  bands,
  format: y.format ?? 'number',
});

/** What the vertical axis shows: never a single value, nor what a logarithm does not have. */
function domainOf({ series, y: { log = false, domain } }: LinesFigure): readonly [number, number] {
  if (domain && (!log || domain[0] > 0)) return domain;
  const [low, high] = spanOfLines(series, log);
  if (low < high) return [low, high];
  if (low > high) return log ? [1, 10] : [0, 1];
  return log ? [low / 2, low * 2] : [low - (Math.abs(low) || 1) / 2, low + (Math.abs(low) || 1) / 2];
}

export const lines: Drawing<LinesFigure> = {
  hasData: ({ series }) => curvesHaveData(series),
  draw(figure, width) {
    const { log = false, label, domain: wanted, format = 'number' } = figure.y;
    const series = log
      ? figure.series.map((line) => ({ ...line, values: line.values.map((value) => (value! > 0 ? value : null)) }))
      : figure.series;
    const curves = drawCurves({ ...curvesOf(figure), series }, width);
    const domain = domainOf(figure);
    const zero = !log && domain[0] < 0 && domain[1] > 0 ? [ruleY([0], { strokeOpacity: 0.5 })] : [];
    return {
      ...curves,
      marks: [...zero, ...curves.marks],
      y: {
        type: log ? 'log' : 'linear',
        domain: [...domain],
        nice: !wanted && !log,
        clamp: true,
        ...(wanted ? {} : { insetTop: 4, insetBottom: 4 }),
        ticks: log ? logTicks(domain) : 5,
        tickFormat: (value: number) => formatTick(value, format),
        grid: true,
      },
      yLabel: label,
      height: 260,
    };
  },
  describe: (figure) => describeCurves(curvesOf(figure)),
  data: (figure) => curvesData(curvesOf(figure)),
};

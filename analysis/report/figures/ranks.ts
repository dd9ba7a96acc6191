import type { Drawing } from '../drawing.ts';
import { formatTick } from '../format.ts';
import type { RanksFigure } from '../section.ts';
import {
  curvesData,
  curvesHaveData,
  describeCurves,
  drawCurves,
  logTicks,
  spanOfLines,
  type Curves,
} from './curves.ts';

const curvesOf = ({ xs, xLabel, series, bands = [] }: RanksFigure): Curves => ({
  xs,
  xLabel,
  series,
  bands,
  format: 'number',
});

export const ranks: Drawing<RanksFigure> = {
  hasData: ({ series }) => curvesHaveData(series),
  draw(figure, width) {
    const series = figure.series.map((line) => ({
      ...line,
      values: line.values.map((rank) => (rank! >= 1 ? rank : null)),
    }));
    const worst = Math.max(2, figure.candidates ?? 0, spanOfLines(series, true)[1]);
    return {
      ...drawCurves({ ...curvesOf(figure), series }, width),
      y: {
        type: 'log',
        domain: [1, worst],
        reverse: true,
        clamp: true,
        ticks: logTicks([1, worst]),
        tickFormat: (rank: number) => formatTick(rank, 'number'),
        grid: true,
        insetTop: 8,
        insetBottom: 4,
      },
      yLabel: 'rank, 1 is best',
      height: 260,
    };
  },
  describe: (figure) => `Ranks. ${describeCurves(curvesOf(figure))}`,
  data: (figure) => curvesData(curvesOf(figure)),
};

import { dot, line, text } from '@observablehq/plot';
import { spanOf, type Drawing } from '../drawing.ts';
import { formatTick, formatValue, isShown } from '../format.ts';
import { looksOf } from '../palette.ts';
import type { ScatterFigure } from '../section.ts';

/** With at most so many points their names stand beside them. */
const namedPoints = 12;

/** Half as much again around a single value, so that there is an axis. */
function widened([low, high]: readonly [number, number]): [number, number] {
  const half = (Math.abs(low) || 1) / 2;
  return low < high ? [low, high] : [low - half, low + half];
}

const shownPoints = ({ points }: ScatterFigure) =>
  points.flatMap(({ x, y, name, group }) => (isShown(x) && isShown(y) ? [{ x, y, name: name ?? '', group }] : []));

export const scatter: Drawing<ScatterFigure> = {
  hasData: (figure) => shownPoints(figure).length > 0,
  draw(figure, width) {
    const groups = [...new Set(figure.points.flatMap(({ group }) => group ?? []))];
    const looks = new Map(looksOf(groups).map((look) => [look.name, look]));
    const [plain] = looksOf(['mlp']);
    const points = shownPoints(figure).map((point) => {
      const { color, symbol } = point.group === undefined ? plain : looks.get(point.group)!;
      return { ...point, color, symbol };
    });
    const both = points.flatMap(({ x, y }) => [x, y]);
    const [xDomain, yDomain] = figure.diagonal
      ? [widened(spanOf(both)), widened(spanOf(both))]
      : [widened(spanOf(points.map(({ x }) => x))), widened(spanOf(points.map(({ y }) => y)))];
    const axis = {
      type: 'linear',
      nice: true,
      grid: true,
      tickFormat: (value: number) => formatTick(value, 'number'),
    } as const;
    const ends = xDomain.map((value) => ({ value }));
    return {
      marks: [
        ...(figure.diagonal
          ? [line(ends, { x: 'value', y: 'value', strokeDasharray: '4 3', strokeOpacity: 0.6 })]
          : []),
        dot(points, {
          x: 'x',
          y: 'y',
          r: points.length > 300 ? 2 : 3.2,
          fill: 'color',
          fillOpacity: 0.7,
          symbol: 'symbol',
          title: ({ x, y, name, group }: (typeof points)[number]) =>
            [
              name,
              group,
              `${figure.xLabel} ${formatValue(x, 'number')}`,
              `${figure.yLabel} ${formatValue(y, 'number')}`,
            ]
              .filter(Boolean)
              .join(', '),
        }),
        ...(points.length <= namedPoints ? [text(points, { x: 'x', y: 'y', text: 'name', dy: -9 })] : []),
      ],
      x: { ...axis, domain: xDomain, ticks: Math.floor(width / 90), label: figure.xLabel, insetLeft: 8, insetRight: 8 },
      y: { ...axis, domain: yDomain, ticks: 5, insetTop: points.length <= namedPoints ? 18 : 8, insetBottom: 8 },
      yLabel: figure.yLabel,
      height: figure.diagonal ? Math.min(420, width - 60) : 300,
      legend: [...looks.values()],
    };
  },
  describe(figure) {
    const points = shownPoints(figure);
    const span = (values: number[]): string =>
      spanOf(values)
        .map((value) => formatValue(value, 'number'))
        .join(' to ');
    return (
      `${points.length} points; ${figure.xLabel} from ${span(points.map(({ x }) => x))}, ` +
      `${figure.yLabel} from ${span(points.map(({ y }) => y))}.`
    );
  },
  data({ points, xLabel, yLabel }) {
    const named = points.some(({ name }) => name !== undefined);
    const grouped = points.some(({ group }) => group !== undefined);
    return {
      columns: [
        ...(named ? [{ name: 'name' }] : []),
        ...(grouped ? [{ name: 'group' }] : []),
        { name: xLabel, format: 'number' },
        { name: yLabel, format: 'number' },
      ],
      rows: points.map(({ x, y, name, group }) => [
        ...(named ? [name ?? null] : []),
        ...(grouped ? [group ?? null] : []),
        x,
        y,
      ]),
    };
  },
};

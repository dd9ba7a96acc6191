import type { JSX } from 'preact';

/** A value at some time; undefined where there was none to measure. */
export type Point = number | undefined;

const size = { width: 240, height: 56, margin: 4 };

/** A value over time in a small picture, from 0 to its largest; what it says is in words beside it. */
export function Sparkline(props: {
  readonly name: string;
  readonly points: readonly Point[];
  readonly text: (value: number) => string;
  /** In place of 0. */
  readonly least?: number;
}): JSX.Element {
  const { name, points, text, least = 0 } = props;
  const { width, height, margin } = size;
  const known = points.filter((point) => point !== undefined);
  const most = Math.max(...known, least + 1e-9);
  const x = (i: number): number => margin + (i / Math.max(1, points.length - 1)) * (width - 2 * margin);
  const y = (value: number): number => height - margin - ((value - least) / (most - least)) * (height - 2 * margin);
  const label = known.length
    ? `${name}: from ${text(Math.min(...known))} to ${text(Math.max(...known))}, now ${text(known.at(-1)!)}`
    : `${name}: nothing yet`;
  return (
    <svg class="sparkline" role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none">
      <line class="grid" x1={0} x2={width} y1={height - margin} y2={height - margin} />
      {runsOf(points).map((run) => (
        <polyline points={run.map(([i, value]) => `${x(i)},${y(value)}`).join(' ')} />
      ))}
    </svg>
  );
}

/** Stretches without a gap. One point alone is drawn as a short line. */
function runsOf(points: readonly Point[]): [number, number][][] {
  const runs: [number, number][][] = [[]];
  points.forEach((point, i) => {
    if (point === undefined) runs.push([]);
    else runs.at(-1)!.push([i, point]);
  });
  return runs
    .filter((run) => run.length > 0)
    .map((run) => (run.length > 1 ? run : [run[0], [run[0][0] + 0.3, run[0][1]]]));
}

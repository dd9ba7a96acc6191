import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { EditView } from '../../edit-schemas.ts';
import { share } from '../words.ts';
import { summary } from './edit-list.tsx';

const height = 230;
const margin = { left: 40, right: 14, top: 14, bottom: 34 };

/** Success@1 over edits: a line for old documents after each edit, a bar from before to after for its own questions. */
export function SuccessChart({ edits }: { readonly edits: readonly EditView[] }): JSX.Element {
  const box = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(260, Math.round(entry.contentRect.width))));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);
  const shown = edits.filter(({ figures }) => figures.canaries.count > 0).toSorted((a, b) => a.seq - b.seq);
  const values = shown.flatMap(({ figures: { canaries, heldOut } }) => [
    canaries.before,
    canaries.after,
    ...(heldOut.count > 0 ? [heldOut.before, heldOut.after] : []),
  ]);
  const { low, high, step } = range(values);
  const x = (i: number): number =>
    margin.left + ((i + 1) / (shown.length + 0.5)) * (width - margin.left - margin.right);
  const y = (value: number): number =>
    margin.top + ((high - value) / (high - low)) * (height - margin.top - margin.bottom);
  const levels = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => low + i * step);
  const [first] = shown;
  const line = first
    ? [
        `${margin.left},${y(first.figures.canaries.before)}`,
        ...shown.map(({ figures }, i) => `${x(i)},${y(figures.canaries.after)}`),
      ]
    : [];
  const every = Math.ceil(shown.length / Math.max(1, Math.floor((width - 60) / 44)));
  return (
    <figure class="chart" ref={box}>
      <figcaption>
        Success@1 after each edit
        <ul class="legend-line">
          <li>
            <i class="swatch after" /> old documents
          </li>
          <li>
            <i class="swatch own" /> the edit’s own questions, from before to after
          </li>
        </ul>
      </figcaption>
      <svg
        role="img"
        aria-label={`Success@1 of old documents after each of ${shown.length} edits; the list below has the numbers`}
        viewBox={`0 0 ${width} ${height}`}
        height={height}
      >
        {levels.map((level) => (
          <>
            <line class="grid" x1={margin.left} x2={width - margin.right} y1={y(level)} y2={y(level)} />
            <text class="tick" x={margin.left - 7} y={y(level) + 4} text-anchor="end">
              {level.toFixed(step < 0.1 ? 2 : 1)}
            </text>
          </>
        ))}
        {shown.map((edit, i) => {
          const { heldOut } = edit.figures;
          const [from, end] = [y(heldOut.before), y(heldOut.after)];
          return (
            heldOut.count > 0 && (
              <g class="own">
                <line x1={x(i)} x2={x(i)} y1={from} y2={end} />
                <circle cx={x(i)} cy={end} r="4.5">
                  <title>{`Edit ${edit.seq}: own questions ${share(heldOut.before)} → ${share(heldOut.after)}`}</title>
                </circle>
              </g>
            )
          );
        })}
        <polyline class="old" points={line.join(' ')} />
        {shown.map((edit, i) => (
          <circle
            class={edit.undoneBy === null ? 'old' : 'old hollow'}
            cx={x(i)}
            cy={y(edit.figures.canaries.after)}
            r="4"
          >
            <title>{`Edit ${edit.seq}, ${summary(edit)}: old documents ${share(edit.figures.canaries.after)}`}</title>
          </circle>
        ))}
        {shown.map(
          ({ seq }, i) =>
            i % every === 0 && (
              <text class="tick" x={x(i)} y={height - margin.bottom + 18} text-anchor="middle">
                {seq}
              </text>
            ),
        )}
        <text class="tick" x={margin.left - 7} y={height - margin.bottom + 18} text-anchor="end">
          edit
        </text>
      </svg>
    </figure>
  );
}

/** A range around all values, between multiples of a round step. */
function range(values: readonly number[]): { low: number; high: number; step: number } {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = [0.01, 0.02, 0.05, 0.1].find((one) => (most - least) / one <= 5) ?? 0.2;
  const low = Math.max(0, Math.floor(least / step - 0.2) * step);
  return { low, high: Math.min(1, Math.max(low + 2 * step, Math.ceil(most / step + 0.2) * step)), step };
}

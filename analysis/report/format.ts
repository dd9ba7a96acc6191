import type { Format, Value } from './section.ts';

/** Whether there is a number to show: null, NaN and infinities are gaps. */
export function isShown(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** A whole number with commas between thousands. */
function grouped(value: number): string {
  const digits = Math.abs(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
  return value < 0 ? `−${digits}` : digits;
}

/** A number as prose writes it: three significant digits below 100, whole with commas above. */
export function formatNumber(value: number): string {
  if (Math.abs(value) >= 100) return grouped(Math.round(value));
  const text =
    value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : Number(value.toPrecision(3)).toString();
  return text.replaceAll('-', '−');
}

const formats = {
  text: (value) => value.toString(),
  integer: (value) => grouped(Math.round(value)),
  number: formatNumber,
  percent: (value) => `${(value * 100).toFixed(1).replace('-', '−')}\u00a0%`,
} satisfies Record<Format, (value: number) => string>;

/** A cell of a table, or a value beside a mark. Nothing for a gap. */
export function formatValue(value: string | Value | undefined, format: Format): string {
  if (typeof value === 'string') return value;
  return isShown(value) ? formats[format](value) : '';
}

/** Labels of an axis: round numbers, as short as they get. */
export function formatTick(value: number, format: 'percent' | 'number'): string {
  if (format === 'percent')
    return `${Number((value * 100).toPrecision(4))
      .toString()
      .replace('-', '−')}\u00a0%`;
  const size = Math.abs(value);
  const short =
    size >= 1e6
      ? `${Number((size / 1e6).toPrecision(4))}M`
      : size >= 1e3
        ? `${Number((size / 1e3).toPrecision(4))}k`
        : size !== 0 && size < 1e-4
          ? size.toExponential(0)
          : Number(size.toPrecision(4)).toString();
  return value < 0 ? `−${short}` : short;
}

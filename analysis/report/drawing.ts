import type { Markish, ScaleOptions } from '@observablehq/plot';
import type { Look } from './palette.ts';
import type { Figure, Table } from './section.ts';

/** Colours of a heatmap, as a bar with its ends. */
export interface ColorBar {
  readonly domain: readonly [number, number];
  readonly format: 'percent' | 'number';
}

/** A figure for Plot. Lengths are in pixels. */
export interface Drawn {
  readonly marks: readonly Markish[];
  readonly x: ScaleOptions;
  readonly y: ScaleOptions;
  readonly yLabel: string;
  /** Of the frame, without what stands around it. */
  readonly height: number;
  /** Room for the labels of the vertical axis. @default 46 */
  readonly left?: number;
  /** Room for labels above the frame. @default 0 */
  readonly above?: number;
  /** Room for slanted labels below the frame. @default 0 */
  readonly below?: number;
  /** Series that the reader has to tell apart. */
  readonly legend: readonly Look[] | ColorBar;
}

/** What there is to know about one kind of figure. */
export interface Drawing<F extends Figure> {
  /** Whether there is any number to show. */
  hasData(figure: F): boolean;
  /** @param width  of the frame and the labels beside it */
  draw(figure: F, width: number): Drawn;
  /** The figure for those who cannot see it, after its title. */
  describe(figure: F): string;
  /** Its numbers. */
  data(figure: F): Omit<Table, 'title'>;
}

/** Pixels left of the frame, unless a figure has longer labels, and right of it. */
export const margin = { left: 46, right: 14 };

/** Width in pixels of a label in the figures' type: an estimate, since there is no type at hand to measure. */
export const textWidth = (text: string): number => text.length * 6;

/** Cuts a label that is wider than `width` pixels. */
export function fitted(text: string, width: number): string {
  const letters = Math.max(1, Math.floor(width / 6));
  return text.length <= letters ? text : `${text.slice(0, letters - 1).trimEnd()}…`;
}

/** Which labels of an axis to write: in equal steps, as many as fit. */
function spacedTicks(positions: readonly number[], labels: readonly string[], width: number): number[] {
  const [low, high] = spanOf(positions);
  const scale = width / (high - low || 1);
  const half = labels.map((label) => textWidth(label) / 2 + 3);
  const indices = positions.map((_, i) => i);
  for (let step = 1; ; step++) {
    const kept = indices.filter((i) => i % step === 0);
    const apart = (i: number, before: number): boolean =>
      (positions[i] - positions[before]) * scale >= half[i] + half[before];
    if (kept.every((i, k) => k === 0 || apart(i, kept[k - 1]))) return kept;
  }
}

/** Longest slanted label in pixels, and how far it reaches down for each pixel of its length. */
const slantedWidth = 84;
const slant = { degrees: -40, down: 0.65 };

/** Labels along the horizontal axis. */
export interface Ticks {
  /** Which to write. */
  readonly shown: readonly number[];
  readonly labels: readonly string[];
  readonly rotate: number;
  /** Room that they need beyond that of numbers. */
  readonly below: number;
}

/** Numbers are thinned out where they do not fit; words are slanted first, since none stands for its neighbours. */
export function ticksOf(positions: readonly number[], words: readonly string[], width: number): Ticks {
  const shown = spacedTicks(positions, words, width);
  if (shown.length === words.length || words.every((word) => word.length <= 4))
    return { shown, labels: words, rotate: 0, below: 0 };
  const labels = words.map((word) => fitted(word, slantedWidth));
  return {
    shown: spacedTicks(
      positions,
      labels.map(() => '-'),
      width,
    ),
    labels,
    rotate: slant.degrees,
    below: Math.max(...labels.map(textWidth)) * slant.down,
  };
}

/** From the least to the largest of some values; one that is not there is not counted. */
export function spanOf(values: Iterable<number | null | undefined>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (typeof value !== 'number' || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

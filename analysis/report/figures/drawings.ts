import type { Drawing } from '../drawing.ts';
import type { Figure, FigureKind, FigureOf } from '../section.ts';
import { bars } from './bars.ts';
import { heatmap } from './heatmap.ts';
import { lines } from './lines.ts';
import { ranks } from './ranks.ts';
import { scatter } from './scatter.ts';
import { stacked } from './stacked.ts';

const drawings = { lines, heatmap, stacked, bars, scatter, ranks } satisfies {
  [K in FigureKind]: Drawing<FigureOf<K>>;
};

/** How figures of this kind are drawn, described and written as a table. */
export const drawingOf = (figure: Figure): Drawing<Figure> => drawings[figure.kind];

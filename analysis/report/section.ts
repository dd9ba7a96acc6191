/** A number of a figure or a table; null where there is none: a gap in a line, an empty cell. */
export type Value = number | null;

/** Stages, or any other ranges of the horizontal axis, drawn behind the lines. */
export interface Band {
  /** First and last position in `xs`, both included. Layers 0–6 of a figure by layer are `from: 0, to: 6`. */
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

/**
 * One line. Names of components (`attn`, `cross_attn`, `mlp`, `embedding`) have the same colour in every figure, also
 * where they are part of a name: `mlp, priming`.
 */
export interface Line {
  readonly name: string;
  /** One for each of `xs`. */
  readonly values: readonly Value[];
  /** Ends of an interval around each value, drawn as a ribbon; both or none. */
  readonly low?: readonly Value[];
  readonly high?: readonly Value[];
}

interface Named {
  readonly title: string;
  /** What to see here, in a sentence; stands in the caption. */
  readonly caption?: string;
}

/** Something measured at each of some positions, usually layers. */
export interface LinesFigure extends Named {
  readonly kind: 'lines';
  readonly xs: readonly (number | string)[];
  readonly x: { readonly label: string };
  readonly y: {
    readonly label: string;
    /** Logarithmic; values of zero and below are gaps. @default false */
    readonly log?: boolean;
    /** Lowest and highest value shown. @default what the values span */
    readonly domain?: readonly [number, number];
    /** @default 'number' */
    readonly format?: 'percent' | 'number';
  };
  readonly series: readonly Line[];
  readonly bands?: readonly Band[];
}

/** A number for each cell of a grid, such as layer by position. */
export interface HeatmapFigure extends Named {
  readonly kind: 'heatmap';
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xs: readonly string[];
  /** Rows from top to bottom. */
  readonly ys: readonly string[];
  /** [ys][xs] */
  readonly values: readonly (readonly Value[])[];
  readonly format: 'percent' | 'number';
  /** Ends of the colour scale. With values on both sides of 0 the scale is symmetric. @default what the values span, and 0 */
  readonly domain?: readonly [number, number];
}

/** Shares of sources at each position, one upon the other; negative values go downward. */
export interface StackedFigure extends Named {
  readonly kind: 'stacked';
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xs: readonly string[];
  readonly series: readonly { readonly name: string; readonly values: readonly Value[] }[];
  /** @default 'number' */
  readonly format?: 'percent' | 'number';
}

/** One number for each name, as horizontal bars, from top to bottom. */
export interface BarsFigure extends Named {
  readonly kind: 'bars';
  /** Of the numbers. */
  readonly xLabel: string;
  /** Of the names. */
  readonly yLabel: string;
  readonly bars: readonly {
    readonly name: string;
    readonly value: Value;
    /** Ends of an interval around the value. */
    readonly low?: number;
    readonly high?: number;
    /** Bars of a group have one colour. */
    readonly group?: string;
  }[];
  /** @default 'number' */
  readonly format?: 'percent' | 'number';
}

export interface ScatterFigure extends Named {
  readonly kind: 'scatter';
  readonly xLabel: string;
  readonly yLabel: string;
  readonly points: readonly {
    readonly x: Value;
    readonly y: Value;
    readonly name?: string;
    /** Points of a group have one colour. */
    readonly group?: string;
  }[];
  /** Draws the line x = y. @default false */
  readonly diagonal?: boolean;
}

/** Ranks by position, counted from 1, which is at the top of a logarithmic axis. */
export interface RanksFigure extends Named {
  readonly kind: 'ranks';
  readonly xLabel: string;
  readonly xs: readonly (number | string)[];
  readonly series: readonly Line[];
  /** The last rank there is: the bottom of the axis. @default the largest rank shown */
  readonly candidates?: number;
  readonly bands?: readonly Band[];
}

export type Figure = LinesFigure | HeatmapFigure | StackedFigure | BarsFigure | ScatterFigure | RanksFigure;
export type FigureKind = Figure['kind'];
export type FigureOf<K extends FigureKind> = Extract<Figure, { kind: K }>;

/** How a column is written. */
export type Format = 'text' | 'integer' | 'number' | 'percent';

export interface Column {
  readonly name: string;
  /** @default 'left' for text, 'right' for numbers */
  readonly align?: 'left' | 'right';
  /** `percent` takes shares: .5 is 50 %. @default 'text' */
  readonly format?: Format;
}

export interface Table {
  readonly title: string;
  readonly columns: readonly Column[];
  /** One cell for each column; null is an empty cell. */
  readonly rows: readonly (readonly (string | number | null)[])[];
}

/** What an experiment shows: prose, figures and tables. The numbers themselves are in report.json. */
export interface Section {
  /** Letters, digits and hyphens; the address of the section within the report. */
  readonly id: string;
  readonly title: string;
  /** What is measured, and how to read it. Plain text, `code` in backticks, paragraphs divided by an empty line. */
  readonly about: string;
  /** What was found in this model, one sentence each; `code` in backticks. */
  readonly findings: readonly string[];
  readonly figures: readonly Figure[];
  readonly tables: readonly Table[];
  /** Time the experiment took. */
  readonly seconds?: number;
}

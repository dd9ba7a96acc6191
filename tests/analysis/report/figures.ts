import type { FigureKind, FigureOf } from '../../../analysis/report/section.ts';

const xs = [0, 1, 2, 3];

/** One small figure of each kind, with a gap in it. */
export const smallFigures: { readonly [K in FigureKind]: FigureOf<K> } = {
  lines: {
    kind: 'lines',
    title: 'Contribution by layer',
    x: { label: 'layer' },
    y: { label: 'ratio' },
    xs,
    bands: [
      { from: 0, to: 1, label: 'priming' },
      { from: 2, to: 3, label: 'interaction' },
    ],
    series: [
      { name: 'mlp', values: [0.9, 0.8, 0.5, 0.7], low: [0.8, 0.7, 0.4, 0.6], high: [1, 0.9, 0.6, 0.8] },
      { name: 'attn', values: [0.1, null, NaN, 0.4] },
    ],
  },
  heatmap: {
    kind: 'heatmap',
    title: 'Effect of heads',
    xLabel: 'head',
    yLabel: 'layer',
    xs: ['H0', 'H1', 'H2'],
    ys: ['L0', 'L1'],
    format: 'number',
    values: [
      [0.5, -1, null],
      [0, 0.25, 1],
    ],
  },
  stacked: {
    kind: 'stacked',
    title: 'Shares of sources',
    xLabel: 'layer',
    yLabel: 'share',
    xs: ['0', '1', '2'],
    format: 'percent',
    series: [
      { name: 'mlp, priming', values: [0.5, 0.25, 0.125] },
      { name: 'cross_attn', values: [0.5, 0.75, null] },
    ],
  },
  bars: {
    kind: 'bars',
    title: 'Success@1 of circuits',
    xLabel: 'Success@1',
    yLabel: 'circuit',
    format: 'percent',
    bars: [
      { name: 'full', value: 0.86, low: 0.83, high: 0.89 },
      { name: 'minimal', value: 0.8 },
      { name: 'broken', value: null },
      { name: 'change', value: -0.2 },
    ],
  },
  scatter: {
    kind: 'scatter',
    title: 'Direct and total effect',
    xLabel: 'direct',
    yLabel: 'total',
    diagonal: true,
    points: [
      { x: 1, y: 2, name: 'H0', group: 'mlp' },
      { x: -1, y: 0.5, name: 'H1', group: 'attn' },
      { x: null, y: 3 },
      { x: 2, y: NaN },
    ],
  },
  ranks: {
    kind: 'ranks',
    title: 'Rank by layer',
    xLabel: 'layer',
    xs,
    candidates: 1000,
    series: [{ name: 'relevant document', values: [900, null, 10, 1] }],
  },
};

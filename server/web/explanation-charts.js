/** Two drawings over the parts of the decoder, in the order in which they write: ranks, and what each part adds. */
import { svg } from './dom.js';

export const partNames = {
  embedding: 'embedding',
  attn: 'self-attention',
  cross_attn: 'cross-attention',
  mlp: 'MLP',
};

export const partName = ({ type, layer }) => (layer < 0 ? partNames[type] : `${partNames[type]} of layer ${layer}`);

export const signed = (x) => `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(2)}`;

/** Of the drawing and its margins; it is drawn about as wide as a telephone shows it. */
const size = { width: 340, height: 190, left: 34, right: 6, top: 18, bottom: 30 };
const [plotTop, plotBottom] = [size.top, size.height - size.bottom];
const step = (count) => (size.width - size.left - size.right) / count;

/** Middle of the place of part `i`. */
const across = (i, count) => size.left + (i + 0.5) * step(count);

/** Numbers of layers below, lines between layers, stages above; parts are [embedding, three of each layer]. */
function layers(parts) {
  const count = parts.length;
  const total = (count - 1) / 3;
  const every = Math.ceil(total / 12);
  const drawn = [];
  for (let layer = 0; layer < total; layer++) {
    const x = size.left + (1 + 3 * layer) * step(count);
    drawn.push(svg('line', { class: 'grid', x1: x, x2: x, y1: plotTop, y2: plotBottom }));
    if (layer % every === 0)
      drawn.push(
        svg('text', { class: 'tick', x: x + 1.5 * step(count), y: plotBottom + 12, 'text-anchor': 'middle' }, layer),
      );
  }
  drawn.push(
    svg('text', { class: 'tick', x: size.width - size.right, y: size.height - 4, 'text-anchor': 'end' }, 'layer'),
  );
  for (const stage of new Set(parts.map((part) => part.stage).filter(Boolean))) {
    const [first, last] = [
      parts.findIndex((part) => part.stage === stage),
      parts.findLastIndex((part) => part.stage === stage),
    ];
    const [x1, x2] = [size.left + first * step(count) + 1, size.left + (last + 1) * step(count) - 1];
    drawn.push(
      svg('line', { class: 'stage', x1, x2, y1: plotTop - 4, y2: plotTop - 4 }),
      svg('text', { class: 'tick', x: (x1 + x2) / 2, y: plotTop - 8, 'text-anchor': 'middle' }, stage),
    );
  }
  return drawn;
}

const level = (y, label, name = 'grid') => [
  svg('line', { class: name, x1: size.left, x2: size.width - size.right, y1: y, y2: y }),
  svg('text', { class: 'tick', x: size.left - 4, y: y + 3.5, 'text-anchor': 'end' }, label),
];

const drawing = (label, ...children) =>
  svg('svg', { role: 'img', 'aria-label': label, viewBox: `0 0 ${size.width} ${size.height}` }, ...children);

/** Rank 1 on top, logarithmic: dots and a line among documents, a dashed line in the whole vocabulary. */
export function rankChart({ ranks, contributions }) {
  const worst = Math.max(10, ...ranks.map(({ rank }) => rank));
  const y = (rank) => plotTop + 6 + (Math.log(rank) / Math.log(worst)) * (plotBottom - plotTop - 12);
  const points = (field) => ranks.map((one, i) => `${across(i, ranks.length)},${y(one[field])}`).join(' ');
  const levels = [];
  for (let rank = 1; rank <= worst; rank *= 10) levels.push(...level(y(rank), rank.toLocaleString('en')));
  return drawing(
    'Rank of the document after each part of the decoder',
    ...layers(contributions),
    ...levels,
    svg('polyline', { class: 'among-all', points: points('rank') }),
    svg('polyline', { class: 'among-documents', points: points('docidRank') }),
    ...ranks.map((one, i) =>
      svg(
        'circle',
        {
          class: one.type,
          cx: across(i, ranks.length),
          cy: y(one.docidRank),
          r: Math.min(3.5, step(ranks.length) / 2),
        },
        svg('title', {}, `after ${partName(one)}: rank ${one.docidRank} of documents, ${one.rank} of the vocabulary`),
      ),
    ),
  );
}

/** What each part adds to the margin: up for the document, down for its rival. */
export function contributionChart({ contributions }) {
  const margins = contributions.map(({ margin }) => margin);
  const [low, high] = [Math.min(0, ...margins), Math.max(0, ...margins)];
  const scale = (plotBottom - plotTop - 12) / (high - low || 1);
  const y = (margin) => plotTop + 6 + (high - margin) * scale;
  const count = contributions.length;
  /** Labels of the ends where they do not run into that of zero. */
  const ends = [low, high].filter((end) => Math.abs(end) * scale > 12);
  return drawing(
    'What each part of the decoder adds',
    ...layers(contributions),
    ...ends.flatMap((end) => level(y(end), signed(end))),
    ...contributions.map((part, i) =>
      svg(
        'rect',
        {
          class: part.type,
          x: across(i, count) - step(count) * 0.4,
          width: step(count) * 0.8,
          y: y(Math.max(0, part.margin)),
          height: Math.max(0.5, Math.abs(part.margin) * scale),
        },
        svg('title', {}, `${partName(part)}: ${signed(part.margin)}`),
      ),
    ),
    ...level(y(0), '0', 'zero'),
  );
}

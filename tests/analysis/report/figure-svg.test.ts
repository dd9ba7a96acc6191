import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DOMParser } from 'linkedom';
import { figureSvg } from '../../../analysis/report/figure-svg.ts';
import type { Figure, FigureKind, FigureOf } from '../../../analysis/report/section.ts';
import { smallFigures } from './figures.ts';

interface Node {
  readonly localName: string;
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<Node>;
}
type Query = (selector: string) => Node[];

/** The picture of a figure, parsed as XML, and what is wrong with any picture. */
function drawn(figure: Figure, width?: number): Query {
  const svg = figureSvg(figure, width === undefined ? {} : { width });
  assert.doesNotMatch(svg, /NaN|Infinity|undefined|null/);
  assert.doesNotMatch(svg.replace('xmlns="http://www.w3.org/2000/svg"', ''), /https?:|<style|style=|<script|\bid=/);
  assert.equal(wellFormed(svg), '');
  const root = new DOMParser().parseFromString(svg, 'image/svg+xml') as unknown as Node;
  return (selector) => [...root.querySelectorAll(selector)];
}

/** The first tag that closes another than the open one: linkedom's parser forgives that. */
function wellFormed(xml: string): string {
  const open: string[] = [];
  for (const [tag, close, name, empty] of xml.matchAll(
    /<(\/?)([a-zA-Z]+)(?:\s+[\w:-]+="[^"<]*")*\s*(\/?)>|<|&(?!(?:amp|lt|gt|quot|#\d+);)/g,
  )) {
    if (!name) return tag;
    if (close && open.pop() !== name) return tag;
    if (!close && !empty) open.push(name);
  }
  return open.join();
}

/** How many marks a kind of figure must have, by what their titles say. */
const marks = {
  // 4 points of mlp, 2 of attn.
  lines: [6, /^(mlp|attn), layer \d: /],
  // Every cell, with or without a value.
  heatmap: [6, /^layer L\d, head H\d: /],
  stacked: [5, /^(mlp, priming|cross_attn), layer \d: /],
  bars: [3, /^(full|minimal|change): /],
  scatter: [2, /^H\d, (mlp|attn), direct /],
  ranks: [3, /^relevant document, layer \d: /],
} satisfies Record<FigureKind, [number, RegExp]>;

const kinds = Object.keys(smallFigures) as FigureKind[];
const layered = (count: number, series = 2): FigureOf<'lines'> => ({
  ...smallFigures.lines,
  xs: Array.from({ length: count }, (_, i) => i),
  bands: [{ from: 0, to: count - 1, label: 'priming' }],
  series: ['mlp', 'attn', 'cross_attn'].slice(0, series).map((name, s) => ({
    name,
    values: Array.from({ length: count }, (_, i) => Math.sin(i + s)),
  })),
});

describe('figures', () => {
  for (const kind of kinds) {
    const figure = smallFigures[kind];

    it(`draws ${kind}: one mark for each value, wide and narrow`, () => {
      for (const width of [680, 350, 260]) {
        const titles = drawn(figure, width)('title').map(({ textContent }) => textContent);
        const [count, pattern] = marks[kind];
        assert.equal(titles.length, count, titles.join('\n'));
        for (const title of titles) assert.match(title, pattern);
      }
    });

    it(`says what ${kind} show`, () => {
      const [svg] = drawn(figure)('svg');
      assert.equal(svg.getAttribute('role'), 'img');
      assert.ok(svg.getAttribute('aria-label')!.startsWith(`${figure.title}. `));
      assert.ok(svg.getAttribute('aria-label')!.length > figure.title.length + 20);
    });
  }

  const empty: { readonly [K in FigureKind]: FigureOf<K> } = {
    lines: { ...smallFigures.lines, xs: [], series: [], bands: [] },
    heatmap: { ...smallFigures.heatmap, xs: [], ys: [], values: [] },
    stacked: { ...smallFigures.stacked, xs: [], series: [] },
    bars: { ...smallFigures.bars, bars: [{ name: 'nothing', value: null }] },
    scatter: { ...smallFigures.scatter, points: [] },
    ranks: { ...smallFigures.ranks, series: [{ name: 'document', values: [null, NaN] }] },
  };
  for (const kind of kinds)
    it(`says that there is no data for ${kind}`, () => {
      const query = drawn(empty[kind]);
      assert.deepEqual(
        query('text')
          .map(({ textContent }) => textContent)
          .filter(Boolean),
        ['no data'],
      );
      assert.match(query('svg')[0].getAttribute('aria-label')!, /No data\.$/);
    });

  it('breaks a line where a value is missing', () => {
    const path = (values: (number | null)[]): string =>
      drawn({ ...smallFigures.lines, bands: [], series: [{ name: 'mlp', values }] })(
        '[aria-label="line"] path',
      )[0].getAttribute('d')!;
    assert.equal(path([1, 2, 3, 4]).match(/M/g)!.length, 1);
    assert.equal(path([1, 2, null, 4]).match(/M/g)!.length, 2);
  });

  it('draws one layer and 48 layers, and labels as many as fit', () => {
    assert.equal(drawn(layered(1))('title').length, 2);
    for (const width of [680, 350]) {
      const query = drawn(layered(48, 3), width);
      assert.equal(query('title').length, 144);
      const labels = query('[aria-label="x-axis tick label"] text').map(({ textContent }) => Number(textContent));
      const step = labels[1] - labels[0];
      assert.deepEqual(
        labels,
        labels.map((_, i) => i * step),
      );
      assert.ok(labels.length * 20 < width, `${labels.length} labels in ${width} pixels`);
    }
  });

  it('writes every word under its column, cut where it is long', () => {
    const words = ['who', 'wrote', 'the', 'book', 'about', 'a', 'lantern', 'in', 'Llanfairpwllgwyngyll', 'the'];
    const figure = { ...smallFigures.heatmap, xs: words, values: [words.map((_, i) => i)], ys: ['L0'] };
    for (const width of [680, 350]) {
      const labels = drawn(
        figure,
        width,
      )('[aria-label="x-axis tick label"] text').map(({ textContent }) => textContent);
      assert.equal(labels.length, words.length);
      labels.forEach((label, i) => assert.ok(words[i].startsWith(label.replace(/…$/, '')), label));
    }
  });

  it('gives values that are all the same an axis', () => {
    for (const log of [false, true])
      drawn({
        ...smallFigures.lines,
        y: { label: 'ratio', log },
        series: [{ name: 'mlp', values: [0.5, 0.5, 0.5, 0.5] }],
      });
    drawn({
      ...smallFigures.heatmap,
      values: [
        [0, 0, 0],
        [0, 0, 0],
      ],
    });
    drawn({ ...smallFigures.scatter, points: [{ x: 1, y: 1 }] });
    drawn({ ...smallFigures.bars, bars: [{ name: 'none', value: 0 }] });
    drawn({ ...smallFigures.ranks, candidates: 1, series: [{ name: 'document', values: [1, 1, 1, 1] }] });
  });

  it('leaves out what a logarithm does not have', () => {
    const query = drawn({
      ...smallFigures.lines,
      y: { label: 'p', log: true },
      series: [{ name: 'p', values: [0, -1, 0.1, 1] }],
    });
    assert.equal(query('title').length, 2);
  });

  it('puts rank 1 above the others', () => {
    const heights = drawn(smallFigures.ranks)('[aria-label="dot"] path, [aria-label="dot"] circle')
      .slice(0, 3)
      .map((mark) => Number(mark.getAttribute('cy') ?? /,([\d.]+)\)/.exec(mark.getAttribute('transform')!)![1]));
    assert.ok(heights[0] > heights[1] && heights[1] > heights[2], heights.join(' '));
  });

  it('gives a component the same colour in every figure', () => {
    const fills = (figure: Figure): (string | null)[] =>
      drawn(figure)('path, rect, circle, g')
        .filter((mark) =>
          [...mark.querySelectorAll('title')].some(({ textContent }) => /^(L0, )?mlp/.test(textContent)),
        )
        .map((mark) => mark.getAttribute('fill'))
        .filter((fill) => fill?.startsWith('var('));
    const scatter: Figure = { ...smallFigures.scatter, points: [{ x: 1, y: 1, name: 'mlp', group: 'mlp' }] };
    const all = [smallFigures.lines, smallFigures.stacked, scatter].map((figure) => new Set(fills(figure)));
    for (const some of all) assert.deepEqual([...some], ['var(--plot-mlp, #0072b2)']);
  });

  it('shows markup in names as text', () => {
    const name = '<script>alert("1 & 2")</script>';
    const figures: Figure[] = [
      {
        ...smallFigures.lines,
        title: name,
        series: [{ name, values: [1, 2, 3, 4] }],
        y: { label: name },
        x: { label: name },
      },
      { ...smallFigures.heatmap, title: name, xs: [name, 'b', 'c'], ys: [name, 'e'] },
      { ...smallFigures.stacked, title: name, series: [{ name, values: [1, 2, 3] }] },
      { ...smallFigures.bars, title: name, bars: [{ name, value: 1, group: name }] },
      { ...smallFigures.scatter, title: name, points: [{ x: 1, y: 2, name, group: name }] },
      { ...smallFigures.ranks, title: name, series: [{ name, values: [1, 2, 3, 4] }] },
    ];
    for (const figure of figures) {
      const query = drawn(figure);
      assert.equal(query('script').length, 0);
      assert.match(figureSvg(figure), / aria-label="&lt;script&gt;alert\(&quot;1 &amp; 2&quot;\)&lt;\/script&gt;\. /);
      assert.ok(
        query('text, title').some(({ textContent }) => textContent.includes(name)),
        figure.kind,
      );
    }
  });
});

import { barX, ruleX, ruleY, text } from '@observablehq/plot';
import { fitted, margin, spanOf, textWidth, type Drawing } from '../drawing.ts';
import { formatTick, formatValue, isShown } from '../format.ts';
import { looksOf } from '../palette.ts';
import type { BarsFigure } from '../section.ts';

const barHeight = 22;

export const bars: Drawing<BarsFigure> = {
  hasData: ({ bars: all }) => all.some(({ value }) => isShown(value)),
  draw({ bars: all, xLabel, yLabel, format = 'number' }, width) {
    const groups = [...new Set(all.flatMap(({ group }) => group ?? []))];
    const looks = new Map(looksOf(groups).map((look) => [look.name, look]));
    const [plain] = looksOf(['mlp']);
    const left = Math.min(width * 0.45, Math.max(margin.left, ...all.map(({ name }) => textWidth(name) + 14)));
    const shown = all.flatMap(({ name, value, low, high, group }, y) => {
      if (!isShown(value)) return [];
      const end = value < 0 ? Math.min(value, low ?? value) : Math.max(value, high ?? value);
      const look = group === undefined ? plain : looks.get(group)!;
      return [{ y, name, value, low: low ?? NaN, high: high ?? NaN, end, look, words: formatValue(value, format) }];
    });
    type Shown = (typeof shown)[number];
    const [least, most] = spanOf(shown.flatMap(({ value, low, high }) => [0, value, low, high]));
    // Room for the number behind the bar.
    const room = ((most - least || 1) * 54) / (width - left - margin.right - 54);
    const within = shown.filter(({ low, high }) => !Number.isNaN(low) && !Number.isNaN(high));
    const label = { x: 'end', y: 'y', text: 'words' } as const;
    return {
      marks: [
        barX(shown, {
          x: 'value',
          y: 'y',
          fill: ({ look }: Shown) => look.color,
          fillOpacity: ({ look }: Shown) => look.tone,
          title: ({ name, value, low, high }: Shown) =>
            `${name}: ${formatValue(value, format)}` +
            (Number.isNaN(low) ? '' : ` (${formatValue(low, format)} to ${formatValue(high, format)})`),
        }),
        ruleY(within, { x1: 'low', x2: 'high', y: 'y', strokeWidth: 1.5 }),
        text(
          shown.filter(({ value }) => value >= 0),
          { ...label, textAnchor: 'start', dx: 5 },
        ),
        text(
          shown.filter(({ value }) => value < 0),
          { ...label, textAnchor: 'end', dx: -5 },
        ),
        ruleX([0]),
      ],
      x: {
        type: 'linear',
        domain: [least < 0 ? least - room : least, most > 0 || least === 0 ? most + room : most],
        ticks: Math.max(2, Math.floor((width - left) / 80)),
        tickFormat: (value: number) => formatTick(value, format),
        label: xLabel,
        grid: true,
      },
      y: {
        type: 'band',
        domain: all.map((_, y) => y),
        tickFormat: (y: number) => fitted(all[y].name, left - 12),
        tickSize: 0,
        padding: 0.25,
      },
      yLabel,
      height: all.length * barHeight,
      left,
      legend: [...looks.values()],
    };
  },
  describe({ bars: all, format = 'number' }) {
    const shown = all.filter(({ value }) => isShown(value));
    const words = shown.slice(0, 12).map(({ name, value }) => `${name} ${formatValue(value, format)}`);
    return `${words.join(', ')}${shown.length > 12 ? ` and ${shown.length - 12} more` : ''}.`;
  },
  data({ bars: all, xLabel, yLabel, format = 'number' }) {
    const grouped = all.some(({ group }) => group !== undefined);
    const ranged = all.some(({ low, high }) => low !== undefined && high !== undefined);
    return {
      columns: [
        { name: yLabel },
        ...(grouped ? [{ name: 'group' }] : []),
        { name: xLabel, format },
        ...(ranged
          ? [
              { name: 'low', format },
              { name: 'high', format },
            ]
          : []),
      ],
      rows: all.map(({ name, value, low, high, group }) => [
        name,
        ...(grouped ? [group ?? null] : []),
        value,
        ...(ranged ? [low ?? null, high ?? null] : []),
      ]),
    };
  },
};

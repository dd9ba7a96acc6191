import type { Value } from './section.ts';

interface Shade {
  readonly light: string;
  readonly dark: string;
}

/**
 * Colours by name, on paper and in the dark. Components stand apart for readers who confuse red and green (after Okabe
 * and Ito, "Color Universal Design", 2008, darkened to a contrast of 3:1 on paper).
 */
const shades = {
  attn: { light: '#008a63', dark: '#3fc79a' },
  cross_attn: { light: '#d05500', dark: '#ff9350' },
  mlp: { light: '#0072b2', dark: '#5fb4ef' },
  embedding: { light: '#a8487f', dark: '#e59bc6' },
  a: { light: '#4f46a5', dark: '#a8a1f5' },
  b: { light: '#8a6a00', dark: '#d9b84a' },
  c: { light: '#00757f', dark: '#58c4cf' },
  d: { light: '#a32a4c', dark: '#f28aa5' },
  e: { light: '#5f6670', dark: '#aab2bd' },
  f: { light: '#3d6b12', dark: '#9ccb6b' },
} satisfies Record<string, Shade>;

const components = ['cross_attn', 'attn', 'mlp', 'embedding'] as const;
const others = ['a', 'b', 'c', 'd', 'e', 'f'] as const;

/** For CSS. A page without the declarations of `paletteStyle` shows the light colour. */
const variable = (name: keyof typeof shades): string => `var(--plot-${name}, ${shades[name].light})`;

/** The background, for edges between areas and for words on strong colours. */
export const paper = 'var(--paper, #fff)';
/** Values of a heatmap above and below zero. */
export const above = variable('mlp');
export const below = variable('cross_attn');

const declarations = (mode: keyof Shade): string =>
  Object.entries(shades)
    .map(([name, shade]) => `--plot-${name}: ${shade[mode]};`)
    .join(' ');

/** Custom properties for `:root`, in light and in the dark. */
export const paletteStyle = { light: declarations('light'), dark: declarations('dark') };

/** How a series is told from others. */
export interface Look {
  readonly name: string;
  readonly color: string;
  /** Opacity of an area: series of one component differ by it. */
  readonly tone: number;
  /** `stroke-dasharray` of a line, likewise. */
  readonly dash: string | undefined;
  readonly symbol: (typeof symbols)[number];
}

const symbols = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross', 'wye'] as const;
const stages = ['priming', 'bridging', 'interaction'];
const tones = [0.45, 0.7, 1];
const dashes = [undefined, '7 3', '2 3', '9 3 2 3'];

/** One look for each name: components have their colours, their stages have tones, other names take what is left. */
export function looksOf(names: readonly string[]): Look[] {
  const uses = new Map<string, number>();
  let taken = 0;
  return names.map((name, i) => {
    const component = components.find((part) => new RegExp(`(?<![a-z_])${part}(?![a-z_])`).test(name));
    const color = variable(component ?? others[taken++ % others.length]);
    const use = uses.get(color) ?? 0;
    uses.set(color, use + 1);
    const stage = component ? stages.findIndex((word) => name.includes(word)) : -1;
    return {
      name,
      color,
      tone: stage < 0 ? tones[2 - (use % 3)] : tones[stage],
      dash: dashes[use % dashes.length],
      symbol: symbols[i % symbols.length],
    };
  });
}

/** Where a value is between 0 and the ends of the domain: colour by its sign, opacity by its size. */
export function heat(value: Value, [low, high]: readonly [number, number]): { color: string; opacity: number } {
  if (value === null) return { color: 'none', opacity: 0 };
  const share = low < 0 ? Math.abs(value) / Math.max(-low, high) : (value - low) / (high - low || 1);
  return { color: value < 0 && low < 0 ? below : above, opacity: Math.min(1, Math.max(0, share)) };
}

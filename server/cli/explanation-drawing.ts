/** @file What explanations are drawn with: as text for a terminal, and as plain ASCII for everything else. */
import { componentNames } from '../../analysis/components.ts';
import type { Contribution, PathEntry, Reasons } from '../../analysis/explanation.ts';

export interface TextStyle {
  /** Titles of documents by docid, as far as they are known. */
  readonly titles: ReadonlyMap<string, string>;
  /** Colours and blocks; ASCII without. */
  readonly isTerminal: boolean;
}

const partNames = { ...componentNames, embedding: 'embedding' } as const;

/** Of the 256 colours of a terminal; components have the hues of the report. */
const colours = { attn: 36, cross_attn: 208, mlp: 32, embedding: 169, quiet: 244 } as const satisfies Record<
  Contribution['type'] | 'quiet',
  number
>;
type Colour = keyof typeof colours;

/** Columns on each side of zero, and of a bar of attention. */
const barWidth = 14;
const attentionWidth = 6;
/** Heads and neurons that are shown, and entries for each. */
const shown = { heads: 4, neurons: 5, entries: 5 } as const;

export const paint = (text: string, colour: Colour, { isTerminal }: TextStyle): string =>
  isTerminal && text.trim() ? `\u001b[38;5;${colours[colour]}m${text}\u001b[0m` : text;

export const heading = (text: string, { isTerminal }: TextStyle): string =>
  isTerminal ? `\u001b[1m${text}\u001b[0m` : text;

export const bar = (length: number, { isTerminal }: TextStyle): string => (isTerminal ? '█' : '#').repeat(length);

const signed = (x: number): string => `${x < 0 ? '-' : '+'}${Math.abs(x).toFixed(2)}`;

export const named = (docid: string, { titles }: TextStyle): string =>
  [docid, titles.get(docid)].filter(Boolean).join('  ');

/** A piece of text without the mark of a word's start; pieces that go on with a word begin with a hyphen. */
function piece(token: string): string {
  if (token === '' || token === '▁') return '(blank)';
  if (/^<.*>$/.test(token)) return token;
  return token.startsWith('▁') ? token.slice(1) : `-${token}`;
}

function entries(all: readonly PathEntry[], { titles }: TextStyle): string {
  const text = (entry: PathEntry): string => {
    if ('docid' in entry) return `[${titles.get(entry.docid) || entry.docid}]`;
    return 'word' in entry ? piece(entry.word) : entry.code;
  };
  return all.slice(0, shown.entries).map(text).join(', ');
}

/** What a table of parts is about. */
export interface PartsOf {
  /** Whose logit is led over; undefined where there is none. */
  readonly rival: string | undefined;
  /** Head of the column of ranks among these alone. */
  readonly among: 'documents' | 'allowed';
}

export function parts(
  { ranks, contributions }: Pick<Reasons, 'ranks' | 'contributions'>,
  { rival, among }: PartsOf,
  style: TextStyle,
): string[] {
  const largest = Math.max(...contributions.map(({ margin }) => Math.abs(margin)));
  const rows = contributions.map(({ type, layer, stage, margin }, i) => {
    const length = largest > 0 ? Math.round((Math.abs(margin) / largest) * barWidth) : 0;
    const left = margin < 0 ? bar(length, style).padStart(barWidth) : ' '.repeat(barWidth);
    const right = margin < 0 ? '' : bar(length, style);
    const first = type === 'embedding' || type === 'attn';
    const where =
      type === 'embedding' ? partNames[type] : `${first ? String(layer).padEnd(3) : '   '}${partNames[type]}`;
    return [
      `  ${where.padEnd(20)}`,
      String(ranks[i].rank).padStart(8),
      String(ranks[i].docidRank).padStart(11),
      signed(margin).padStart(9),
      `  ${paint(left, type, style)}|${paint(right, type, style)}`,
      first && stage ? paint(`${' '.repeat(barWidth - right.length)}  ${stage}`, 'quiet', style) : '',
    ].join('');
  });
  const what = `what it adds to the ${rival === undefined ? 'logit' : `lead over ${rival}`}`;
  return [
    heading(`Layers: the rank after each part, and ${what}`, style),
    paint(`  ${''.padEnd(20)}${'rank'.padStart(8)}${among.padStart(11)}${'adds'.padStart(9)}`, 'quiet', style),
    ...rows,
  ];
}

const headName = ({ layer, head }: { readonly layer: number; readonly head: number }): string => `${layer}.${head}`;

/** @param tokens  of the query */
export function attention(
  { tokens, heads }: Pick<Reasons<PathEntry>, 'heads'> & { readonly tokens: readonly string[] },
  style: TextStyle,
): string[] {
  const strongest = heads.slice(0, shown.heads);
  const width = Math.max(...tokens.map((token) => piece(token).length)) + 2;
  const cell = (share: number): string => {
    const percent = share < 0.005 ? '' : `${Math.round(share * 100)} %`;
    const drawn = bar(Math.round(share * attentionWidth), style);
    return `${percent.padStart(6)} ${paint(drawn, 'cross_attn', style)}${' '.repeat(attentionWidth - drawn.length)}`;
  };
  return [
    heading('Attention to the query by the strongest heads (layer.head)', style),
    paint(
      `  ${''.padEnd(width)}${strongest
        .map((head) =>
          headName(head)
            .padStart(6)
            .padEnd(7 + attentionWidth),
        )
        .join('')}`.trimEnd(),
      'quiet',
      style,
    ),
    ...tokens.map((token, t) =>
      `  ${piece(token).padEnd(width)}${strongest.map((head) => cell(head.attention[t])).join('')}`.trimEnd(),
    ),
  ];
}

export const wrote = ({ heads }: Pick<Reasons<PathEntry>, 'heads'>, style: TextStyle): string[] => [
  heading('What they wrote; documents in brackets', style),
  ...heads
    .slice(0, shown.heads)
    .map((head) => `  ${headName(head).padEnd(6)}${signed(head.margin).padStart(6)}  ${entries(head.wrote, style)}`),
];

export const fired = ({ neurons }: Pick<Reasons<PathEntry>, 'neurons'>, style: TextStyle): string[] =>
  neurons.length === 0
    ? []
    : [
        heading('Neurons that fired (layer:neuron) and what they promote', style),
        ...neurons
          .slice(0, shown.neurons)
          .map(
            ({ layer, neuron, margin, promotes }) =>
              `  ${`${layer}:${neuron}`.padEnd(8)}${signed(margin).padStart(6)}  ${entries(promotes, style)}`,
          ),
      ];

/** @file An explanation of a docid that is a path, as text: a summary, then every step on its own. */
import type { Choice, PathExplanation, Reached, StepExplanation } from '../../analysis/explanation.ts';
import { attention, bar, fired, heading, named, paint, parts, wrote, type TextStyle } from './explanation-drawing.ts';

/** Columns of a bar of probability, and tokens and paths that are shown of each kind. */
const barWidth = 20;
const shown = { choices: 5, kept: 5, left: 3 } as const;

export const pathBlocks = (explanation: PathExplanation, style: TextStyle): string[][] => [
  summary(explanation, style),
  ...explanation.steps.flatMap((step, t) => [
    choices(explanation, step, t, style),
    parts(step, { rival: step.rival ? shownToken(step.rival.token) : undefined, among: 'allowed' }, style),
    attention({ tokens: explanation.tokens, heads: step.heads }, style),
    wrote(step, style),
    fired(step, style),
  ]),
];

/** A word without the mark of its start. */
const shownToken = (token: string): string => token.replace(/^▁(?=.)/, '');
const shownPath = (path: readonly string[]): string => path.map(shownToken).join(' > ');

function percent(logProbability: number): string {
  const share = 100 * Math.exp(logProbability);
  return share >= 0.1 ? `${share.toFixed(1)} %` : '< 0.1 %';
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function summary({ editSeq, query, docid, path, score, beams, place }: PathExplanation, style: TextStyle): string[] {
  const search = `a search with ${counted(beams, 'beam')}`;
  const found = place === null ? `not found by ${search}` : `place ${place} of what ${search} finds`;
  return [
    heading(query, style),
    `  ${named(docid, style)}`,
    `  ${shownPath(path)}`,
    `  log-probability ${score.toFixed(3)} (${percent(score)}), ${found}`,
    ...(editSeq ? [`  as of edit ${editSeq}`] : []),
  ];
}

function choices({ path }: PathExplanation, step: StepExplanation, t: number, style: TextStyle): string[] {
  const first = step.choices.filter(({ chosen }, i) => i < shown.choices || chosen);
  const nameOf = ({ token, docid }: Choice): string => shownToken(token) + inBrackets(docid, style);
  const width = Math.max(...first.map((choice) => nameOf(choice).length)) + 2;
  const line = (choice: Choice): string => {
    const { logProbability, chosen, kept } = choice;
    const drawn = bar(Math.round(Math.exp(logProbability) * barWidth), style);
    const fate = [...(chosen ? ['chosen'] : []), ...(kept ? [] : ['left behind'])].join(', ');
    const start = `  ${nameOf(choice).padEnd(width)}${percent(logProbability).padStart(8)}  ${paint(drawn, 'mlp', style)}`;
    return `${start}${' '.repeat(barWidth - drawn.length)}  ${fate}`.trimEnd();
  };
  const { beam } = step;
  const place = beam.place === null ? 'this one is left behind' : `this one has place ${beam.place}`;
  const after = t > 0 ? ` after ${shownPath(path.slice(0, t))}` : '';
  const may = step.allowed === 1 ? '1 token may follow' : `${step.allowed} tokens may follow`;
  return [
    heading(`Step ${t + 1}: ${shownToken(step.token)}${after}; ${may}`, style),
    ...first.map(line),
    `  the search keeps ${counted(beam.kept, 'path')}, ${place}: ${reached(beam.best.slice(0, shown.kept), style)}`,
    ...(beam.left.length ? [`  and gives up ${reached(beam.left.slice(0, shown.left), style)}`] : []),
  ];
}

const inBrackets = (docid: string | null, { titles }: TextStyle): string =>
  docid === null ? '' : ` [${titles.get(docid) || docid}]`;

const reached = (all: readonly Reached[], style: TextStyle): string =>
  all.map(({ path, score, docid }) => `${shownPath(path)}${inBrackets(docid, style)} ${score.toFixed(2)}`).join(', ');

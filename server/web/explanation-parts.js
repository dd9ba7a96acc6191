/** What explanations are shown with: charts, heads, neurons and tables of the parts that wrote a logit. */
import { element } from './dom.js';
import { contributionChart, partName, partNames, rankChart, signed } from './explanation-charts.js';

/** Heads and neurons that are shown, entries for each of them, and parts that are named. */
const shown = { heads: 3, neurons: 3, entries: 5, parts: 3 };
/** Attention from which on a word's share is written below it. */
const notable = 0.1;

/** A piece of text without the mark of a word's start; pieces that go on with a word begin with a hyphen. */
function piece(token) {
  if (token === '</s>') return '(end)';
  if (/^<.*>$/.test(token)) return token;
  if (token === '' || token === '▁') return '(blank)';
  return token.startsWith('▁') ? token.slice(1) : `-${token}`;
}
export const number = (n) => n.toLocaleString('en');

export const link = (docid, titleOf) =>
  element('a', { href: `/documents/${encodeURIComponent(docid)}` }, titleOf(docid) || docid);

const figure = (title, chart, caption) =>
  element('figure', {}, element('h3', {}, title), chart, element('figcaption', {}, caption));

/** Where the document came to stay at its last rank. */
export function ranks(explanation) {
  const { ranks: all, docidRank } = explanation;
  const settled = all.findLastIndex((one) => one.docidRank !== docidRank) + 1;
  const caption =
    settled === 0
      ? `Rank ${number(docidRank)} from the embedding on.`
      : `From ${number(all[0].docidRank)} after the embedding to ${number(docidRank)} after ${partName(all[settled])}.`;
  return figure('Rank after each part', rankChart(explanation), caption);
}

export function contributions(explanation) {
  const largest = explanation.contributions
    .toSorted((a, b) => Math.abs(b.margin) - Math.abs(a.margin))
    .slice(0, shown.parts)
    .map((part) => `${partName(part)} ${signed(part.margin)}`);
  const title = explanation.rival ? 'What each part adds to the lead' : 'What each part adds';
  return figure(title, contributionChart(explanation), `Most: ${largest.join(', ')}.`);
}

/** @param more  further items */
export const legend = (...more) =>
  element(
    'ul',
    { className: 'legend' },
    ...Object.entries(partNames).map(([type, name]) => element('li', { className: type }, name)),
    ...more,
  );

/** Documents as links, pieces of text as text. */
function entries(verb, all, titleOf) {
  const name = (one) => ('docid' in one ? link(one.docid, titleOf) : (one.code ?? piece(one.word)));
  const names = all.slice(0, shown.entries).map(name);
  return element('p', {}, `${verb} `, ...names.flatMap((name, i) => (i > 0 ? [', ', name] : [name])));
}

/** The words of the query, the darker the more a head attends to them. */
function attention(tokens, shares) {
  const words = tokens.map((token, i) => {
    const word = element('span', { title: `${(shares[i] * 100).toFixed(1)} %` }, piece(token));
    word.style.setProperty('--attention', shares[i].toFixed(3));
    if (shares[i] >= notable) word.append(element('small', {}, ` ${Math.round(shares[i] * 100)} %`));
    return word;
  });
  return element('p', { className: 'attention' }, ...words.flatMap((word) => [word, ' ']));
}

export const heads = ({ tokens, heads: all }, titleOf) => [
  element('h3', {}, 'What the strongest heads of cross-attention read and wrote'),
  ...all
    .slice(0, shown.heads)
    .map(({ layer, head, margin, attention: shares, wrote }) =>
      element(
        'div',
        { className: 'head' },
        element('p', { className: 'name' }, `Layer ${layer}, head ${head} (${signed(margin)})`),
        attention(tokens, shares),
        entries('wrote', wrote, titleOf),
      ),
    ),
];

export const neurons = ({ neurons: all }, titleOf) =>
  all.length === 0
    ? []
    : [
        element('h3', {}, 'The strongest neurons that fired'),
        ...all
          .slice(0, shown.neurons)
          .map(({ layer, neuron, margin, promotes }) =>
            element(
              'div',
              { className: 'head' },
              element('p', { className: 'name' }, `Layer ${layer}, neuron ${neuron} (${signed(margin)})`),
              entries('promotes', promotes, titleOf),
            ),
          ),
      ];

/** All that is drawn, for those who do not see it. @param among  whose ranks the first ones are */
export function numbers({ ranks: all, contributions: parts }, among) {
  const row = (name, cells) => element('tr', {}, ...cells.map((cell) => element(name, {}, cell)));
  const body = all.map((one, i) =>
    row('td', [partName(one), number(one.docidRank), number(one.rank), signed(parts[i].margin)]),
  );
  const head = row('th', ['After', `Rank of ${among}`, 'Rank of all', 'Adds']);
  return element(
    'details',
    {},
    element('summary', {}, 'In numbers'),
    element('table', {}, element('thead', {}, head), element('tbody', {}, ...body)),
  );
}

/** Why a document was found whose docid is a path of tokens: every step on its own. */
import { element } from './dom.js';
import { contributions, heads, legend, link, neurons, number, numbers } from './explanation-parts.js';

/** Tokens that may follow, and paths that the search keeps and gives up, that are shown. */
const shown = { choices: 6, kept: 4, left: 3 };

/** A word without the mark of its start. */
const word = (token) => (token.length > 1 ? token.replace(/^▁/, '') : token);
const written = (path) => path.map(word).join(' › ');

function percent(logProbability) {
  const share = 100 * Math.exp(logProbability);
  return share >= 0.1 ? `${share.toFixed(1)} %` : '< 0.1 %';
}

const counted = (count, what) => `${number(count)} ${what}${count === 1 ? '' : 's'}`;

export function pathView(explanation, titleOf) {
  const { path, score, beams, place, editSeq, steps, tokens } = explanation;
  const search = `a search of all documents with ${counted(beams, 'beam')}`;
  const summary = element(
    'p',
    {},
    'Its docid is the path ',
    element('b', {}, written(path)),
    `, with probability ${percent(score)} (log ${score.toFixed(2)}); `,
    place === null ? `${search} does not find it.` : `place ${number(place)} of what ${search} finds.`,
    ...(editSeq ? [` As of edit ${number(editSeq)}.`] : []),
  );
  return [summary, ...steps.map((one, t) => step(one, t, tokens, titleOf)), legend()];
}

function step(one, t, tokens, titleOf) {
  const chosen = one.choices.find(({ chosen: isChosen }) => isChosen);
  const may = one.allowed === 1 ? '1 token may follow' : `${number(one.allowed)} tokens may follow`;
  return element(
    'details',
    { className: 'step', open: t === 0 },
    element(
      'summary',
      {},
      `Step ${t + 1}: `,
      element('b', {}, word(one.token)),
      ` ${percent(chosen.logProbability)}; ${may}`,
    ),
    choices(one, titleOf),
    ...search(one, titleOf),
    element('div', { className: 'charts' }, contributions(one)),
    ...heads({ tokens, heads: one.heads }, titleOf),
    ...neurons(one, titleOf),
    numbers(one, 'those that may follow'),
  );
}

function choices({ choices: all }, titleOf) {
  const row = ({ token, docid, logProbability, chosen, kept }) => {
    const meter = element('meter', { min: 0, max: 1, value: Math.exp(logProbability) });
    meter.setAttribute('aria-label', 'Probability');
    const fate = [...(chosen ? ['chosen'] : []), ...(kept ? [] : ['left behind'])].join(', ');
    const name = element('td', {}, word(token), ...(docid === null ? [] : [' ', link(docid, titleOf)]));
    return element(
      'tr',
      chosen ? { className: 'chosen' } : {},
      name,
      element('td', {}, meter),
      element('td', {}, percent(logProbability)),
      element('td', {}, fate),
    );
  };
  const rows = all.filter(({ chosen }, i) => i < shown.choices || chosen).map(row);
  return element('table', { className: 'choices' }, element('tbody', {}, ...rows));
}

function search({ beam: { place, kept, best, left } }, titleOf) {
  const where = place === null ? 'this one is left behind' : `this one has place ${number(place)}`;
  const line = (start, all) => element('p', {}, start, ...reached(all, titleOf), '.');
  return [
    line(`The search keeps ${counted(kept, 'path')}, ${where}: `, best.slice(0, shown.kept)),
    ...(left.length > 0 ? [line('It gives up ', left.slice(0, shown.left))] : []),
  ];
}

/** Paths, documents as links. */
const reached = (all, titleOf) =>
  all.flatMap(({ path, score, docid }, i) => [
    ...(i > 0 ? [', '] : []),
    written(path),
    ...(docid === null ? [] : [' ', link(docid, titleOf)]),
    ` (${percent(score)})`,
  ]);

/** Why a document was found, as the server explains it: what the panel under a result shows. */
import { element } from './dom.js';
import { contributions, heads, legend, link, neurons, number, numbers, ranks } from './explanation-parts.js';
import { pathView } from './path-explanation.js';

/**
 * @param explanation  or pathExplanation, as `POST /retrieve` gives it
 * @param titleOf      the title of a docid, or undefined
 */
export function explanationView(explanation, titleOf) {
  if ('steps' in explanation) return pathView(explanation, titleOf);
  const { editSeq, rival, docidRank, rank, logit } = explanation;
  const lead = rival && logit - rival.logit;
  const summary = element(
    'p',
    {},
    `Rank ${number(docidRank)} of all documents of the model, ${number(rank)} of its whole vocabulary`,
    ...(rival
      ? [`; ${Math.abs(lead).toFixed(2)} ${lead < 0 ? 'behind' : 'ahead of'} `, link(rival.docid, titleOf), '.']
      : ['.']),
    ...(editSeq ? [` As of edit ${number(editSeq)}.`] : []),
  );
  return [
    summary,
    element('div', { className: 'charts' }, ranks(explanation), contributions(explanation)),
    legend(
      element('li', { className: 'among-documents' }, 'rank of documents'),
      element('li', { className: 'among-all' }, 'rank of all words and documents'),
    ),
    ...heads(explanation, titleOf),
    ...neurons(explanation, titleOf),
    numbers(explanation, 'documents'),
  ];
}

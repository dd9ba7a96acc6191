import { element } from './dom.js';
import { post, request } from './request.js';
import { excerpt, pieces, stemsOf } from './snippet.js';
import { why } from './why.js';

const byId = (id) => document.getElementById(id);
const [form, results, status, problem, examples] = ['search', 'results', 'status', 'problem', 'examples'].map(byId);
const defaults = { mode: 'genir', category: '', k: '10' };

/** Only the newest search may write to the page. */
let newest = 0;

/** Text with query words marked; made of text nodes, so nothing in a document can become markup. */
const marked = (text, stems) =>
  pieces(text, stems).map((piece) => (piece.marked ? element('mark', {}, piece.text) : piece.text));

/** Probabilities for the modes whose scores are logarithms of them; for BM25, the share of the best score. */
function strength(mode, score, best) {
  if (mode === 'bm25') return { value: best > 0 ? score / best : 0, text: `BM25 ${score.toFixed(2)}` };
  const probability = Math.exp(score);
  const percent = probability * 100;
  return { value: probability, text: percent >= 0.1 ? `${percent.toFixed(1)} %` : '< 0.1 %' };
}

function item({ docid, rank, score, document: found }, context) {
  const { query, mode, best } = context;
  const stems = stemsOf(query);
  const { value, text } = strength(mode, score, best);
  const title = found?.title || docid;
  const link = element('a', { href: `/documents/${encodeURIComponent(docid)}` }, ...marked(title, stems));
  const meter = element('meter', { min: 0, max: 1, value });
  meter.setAttribute('aria-label', mode === 'bm25' ? 'Share of the best score' : 'Probability');
  const line = element(
    'div',
    { className: 'score' },
    element('span', {}, `${rank}.`),
    meter,
    element('span', {}, text),
  );
  const category = found?.metadata?.category;
  if (typeof category === 'string') line.append(element('span', { className: 'category' }, category));
  return element(
    'li',
    {},
    element('h2', {}, link),
    element('p', {}, ...marked(excerpt(found?.text ?? '', stems), stems)),
    line,
    ...(mode === 'bm25' ? [] : why({ docid, rank, title }, context)), // the model has no part in BM25
  );
}

async function search({ q, mode, category, k }) {
  const turn = ++newest;
  examples.hidden = true;
  problem.hidden = true;
  status.textContent = 'Searching …';
  results.setAttribute('aria-busy', 'true');
  try {
    const answer = await post('/retrieve', {
      query: q,
      k: Number(k),
      mode,
      includeDocument: true,
      ...(category && { filter: { category } }),
    });
    if (turn !== newest) return;
    const { candidates, tookMs } = answer;
    const best = candidates[0]?.score ?? 0;
    const titles = new Map(candidates.map(({ docid, document: found }) => [docid, found?.title]));
    const context = { query: q, k: Number(k), mode, best, titleOf: (docid) => titles.get(docid) };
    results.replaceChildren(...candidates.map((one) => item(one, context)));
    const count = candidates.length === 1 ? '1 document' : `${candidates.length} documents`;
    status.textContent = `${candidates.length ? count : 'No document found'} in ${tookMs.toFixed(1)} ms`;
  } catch (error) {
    if (turn !== newest) return;
    results.replaceChildren();
    status.textContent = '';
    problem.textContent = error.message;
    problem.hidden = false;
  } finally {
    if (turn === newest) results.removeAttribute('aria-busy');
  }
}

function chosen() {
  const values = Object.fromEntries(new FormData(form));
  return { ...defaults, ...values, q: String(values.q ?? '').trim() };
}

/** The search as an address that can be kept and sent on. */
function address({ q, ...choices }) {
  const changed = Object.entries(choices).filter(([name, value]) => value !== defaults[name]);
  return `?${new URLSearchParams([['q', q], ...changed])}`;
}

/** Puts the address's search into the form and runs it. */
function fromAddress() {
  const wanted = Object.fromEntries(new URLSearchParams(location.search));
  for (const [name, fallback] of Object.entries({ q: '', ...defaults })) {
    const field = form.elements.namedItem(name);
    field.value = wanted[name] ?? fallback;
    if (field.value === '' && name !== 'q' && name !== 'category') field.value = fallback;
  }
  const wish = chosen();
  document.title = wish.q ? `${wish.q} · Palimpsest` : 'Palimpsest';
  if (wish.q) return search(wish);
  newest++;
  results.replaceChildren();
  status.textContent = '';
  problem.hidden = true;
  examples.hidden = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const wish = chosen();
  if (!wish.q) return;
  history.pushState(undefined, '', address(wish));
  fromAddress();
});
form.addEventListener('change', (event) => {
  if (event.target.name !== 'q' && chosen().q) form.requestSubmit();
});
examples.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(undefined, '', link.getAttribute('href'));
  fromAddress();
});
addEventListener('popstate', fromAddress);

try {
  const { model, corpus } = await request('/info');
  const number = (n) => n.toLocaleString('en');
  byId('facts').textContent =
    `${number(corpus.documents)} documents (${corpus.name}) · model ${model.name} ${model.version}`;
  if (corpus.categories.length > 0) {
    byId('category').hidden = false;
    form.elements
      .namedItem('category')
      .append(...corpus.categories.map((name) => element('option', { value: name }, name)));
  }
} catch (error) {
  problem.textContent = error.message;
  problem.hidden = false;
}
await fromAddress();

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { excerpt, stemsOf } from '../../web/snippet.js';
import type { InfoResponse, RetrieveResponse } from '../../schemas.ts';
import { call } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { Explanation } from '../parts/explanation.tsx';
import { Marked } from '../parts/marked.tsx';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { go, to, type Place } from '../router.ts';
import { number, percent, plural } from '../words.ts';

const modes = { genir: 'the model', bm25: 'BM25', hybrid: 'both together' } as const;
type Mode = keyof typeof modes;

export function SearchView({ parameters }: Place): JSX.Element {
  const q = parameters.get('q') ?? '';
  const wanted = parameters.get('mode') ?? 'genir';
  const mode: Mode = Object.hasOwn(modes, wanted) ? (wanted as Mode) : 'genir';
  const category = parameters.get('category') ?? '';
  const info = useLoad((signal) => call<InfoResponse>('/info', { signal }), []);
  const { data, error, loading } = useLoad(
    async (signal) => {
      if (!q) return undefined;
      const body = { query: q, k: 10, mode, includeDocument: true, ...(category && { filter: { category } }) };
      return call<RetrieveResponse>('/retrieve', { method: 'POST', body, signal });
    },
    [q, mode, category],
  );
  const search = (changes: Record<string, string>): void => go(to(['search'], { q, mode, category, ...changes }));
  const categories = info.data?.corpus.categories ?? [];
  return (
    <>
      <h1 tabIndex={-1}>Search</h1>
      <form
        role="search"
        class="tools"
        onSubmit={(event) => {
          event.preventDefault();
          search({ q: valuesOf(event.currentTarget)('q') });
        }}
      >
        <label class="wide">
          <span class="unseen">Question or keywords</span>
          <input
            key={q}
            name="q"
            type="search"
            required
            maxLength={2000}
            defaultValue={q}
            autocomplete="off"
            placeholder="Ask a question, or type keywords"
          />
        </label>
        <button type="submit">Search</button>
        <label>
          Ranked by{' '}
          <select value={mode} onChange={({ currentTarget }) => search({ mode: currentTarget.value })}>
            {Object.entries(modes).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {categories.length > 0 && (
          <label>
            Category{' '}
            <select value={category} onChange={({ currentTarget }) => search({ category: currentTarget.value })}>
              <option value="">all</option>
              {categories.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
      </form>
      <Wrong error={error ?? info.error} />
      {q === '' ? (
        <Empty>Ask something to see which documents the model answers with, and why.</Empty>
      ) : (
        <Status>
          {loading
            ? 'Searching …'
            : data &&
              `${plural(data.candidates.length, 'document')} in ${data.tookMs.toFixed(1)} ms, as of edit ${number(data.editSeq)}`}
        </Status>
      )}
      {data && q !== '' && <Results answer={data} mode={mode} />}
    </>
  );
}

function Results({ answer, mode }: { readonly answer: RetrieveResponse; readonly mode: Mode }): JSX.Element {
  const { candidates, query } = answer;
  const best = candidates[0]?.score ?? 0;
  const titleOf = (docid: string): string | undefined =>
    candidates.find((candidate) => candidate.docid === docid)?.document?.title;
  return (
    <ol class="results" aria-label="Results">
      {candidates.map((candidate) => (
        <Result key={candidate.docid} {...{ candidate, mode, best, titleOf }} query={query.text} />
      ))}
    </ol>
  );
}

function Result(props: {
  readonly candidate: RetrieveResponse['candidates'][number];
  readonly mode: Mode;
  readonly best: number;
  readonly query: string;
  readonly titleOf: (docid: string) => string | undefined;
}): JSX.Element {
  const { candidate, mode, best, query, titleOf } = props;
  const { docid, rank, score = 0, document: found } = candidate;
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [query, mode]);
  const stems = stemsOf(query);
  const isShare = mode !== 'bm25';
  const strength = isShare ? Math.exp(score) : best > 0 ? score / best : 0;
  const panel = `why-${rank}`;
  return (
    <li>
      <h2>
        <a href={to(['documents', docid])}>
          <Marked text={found?.title || docid} stems={stems} />
        </a>
      </h2>
      <p>
        <Marked text={excerpt(found?.text ?? '', stems)} stems={stems} />
      </p>
      <div class="score">
        <span>{rank}.</span>
        <meter min={0} max={1} value={strength} aria-label={isShare ? 'Probability' : 'Share of the best score'} />
        <span>{isShare ? percent(strength) : `BM25 ${score.toFixed(2)}`}</span>
        <code>{docid}</code>
      </div>
      {isShare && (
        <button type="button" class="why" aria-expanded={open} aria-controls={panel} onClick={() => setOpen(!open)}>
          Why this document?
        </button>
      )}
      <section id={panel} class="panel" aria-label={`Why ${found?.title || docid}?`} hidden={!open}>
        {open && <Explanation {...{ query, docid, titleOf }} />}
      </section>
    </li>
  );
}

import type { JSX } from 'preact';
import type { DocumentsResponse, InfoResponse } from '../../schemas.ts';
import { call, query } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { go, to, type Place } from '../router.ts';
import { number, plural } from '../words.ts';

const pageSize = 20;

export function DocumentsView({ parameters }: Place): JSX.Element {
  const q = parameters.get('q') ?? '';
  const category = parameters.get('category') ?? '';
  const filter = parameters.get('filter') ?? '';
  const offset = Math.max(0, Math.trunc(Number(parameters.get('offset'))) || 0);
  const info = useLoad((signal) => call<InfoResponse>('/info', { signal }), []);
  const { data, error, loading } = useLoad(
    (signal) =>
      call<DocumentsResponse>(
        `/documents${query({ offset, limit: pageSize, q, filter: category ? JSON.stringify({ category }) : filter })}`,
        { signal },
      ),
    [q, category, filter, offset],
  );
  const show = (changes: Record<string, string>): void => go(to(['documents'], { q, category, filter, ...changes })); // from the first page
  const categories = info.data?.corpus.categories ?? [];
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Documents</h1>
        <div class="actions">
          <a class="button plain" href={to(['import'])}>
            Import a file
          </a>
          <a class="button" href={to(['add'])}>
            Add a document
          </a>
        </div>
      </div>
      <form
        class="tools"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const value = valuesOf(event.currentTarget);
          show({ q: value('q'), filter: value('filter') });
        }}
      >
        <label class="wide">
          <span class="unseen">Words of the document</span>
          <input key={q} type="search" name="q" defaultValue={q} maxLength={2000} placeholder="Words of the document" />
        </label>
        <button type="submit">Find</button>
        {categories.length > 0 ? (
          <label>
            Category{' '}
            <select value={category} onChange={({ currentTarget }) => show({ category: currentTarget.value })}>
              <option value="">all</option>
              {categories.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        ) : (
          <label class="wide">
            Metadata{' '}
            <input
              key={filter}
              name="filter"
              defaultValue={filter}
              placeholder='{"year": {"gte": 1900}}'
              spellcheck={false}
            />
          </label>
        )}
      </form>
      <Wrong error={error} />
      <Status>{loading ? 'Loading …' : data && found(data)}</Status>
      {data?.total === 0 && <Empty>No document has these words and this category.</Empty>}
      {data && data.documents.length > 0 && (
        <ul class="rows" aria-label="Documents">
          {data.documents.map(({ docid, title, text, metadata, version }) => (
            <li key={docid}>
              <h2>
                <a href={to(['documents', docid])}>{title || docid}</a>
              </h2>
              <p class="clip">{text}</p>
              <p class="facts">
                <code>{docid}</code>
                {typeof metadata.category === 'string' && <span class="tag">{metadata.category}</span>}
                {version > 1 && <span>version {number(version)}</span>}
              </p>
            </li>
          ))}
        </ul>
      )}
      {data && data.total > pageSize && (
        <nav class="pages" aria-label="Pages">
          <button
            type="button"
            class="plain"
            disabled={offset === 0}
            onClick={() => show({ offset: String(Math.max(0, offset - pageSize)) })}
          >
            Previous
          </button>
          <span>
            Page {number(Math.floor(offset / pageSize) + 1)} of {number(Math.ceil(data.total / pageSize))}
          </span>
          <button
            type="button"
            class="plain"
            disabled={offset + pageSize >= data.total}
            onClick={() => show({ offset: String(offset + pageSize) })}
          >
            Next
          </button>
        </nav>
      )}
    </>
  );
}

function found({ total, offset, documents }: DocumentsResponse): string {
  if (documents.length === 0) return total === 0 ? '' : `Nothing on this page; ${plural(total, 'document')} in all`;
  return `${number(offset + 1)}–${number(offset + documents.length)} of ${plural(total, 'document')}`;
}

import type { JSX } from 'preact';
import { auditActions } from '../../audit/actions.ts';
import type { AuditResponse } from '../../audit/audit-schemas.ts';
import type { EditView } from '../../edit-schemas.ts';
import { call, query } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { summary } from '../parts/edit-list.tsx';
import { Figures } from '../parts/figures.tsx';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { go, to, type Place } from '../router.ts';
import { share, signedShare, when } from '../words.ts';

type Entry = AuditResponse['entries'][number];

const pageSize = 50;

export function AuditView({ parameters }: Place): JSX.Element {
  const [actor, action, docid, before] = ['actor', 'action', 'docid', 'before'].map(
    (name) => parameters.get(name) ?? '',
  );
  const { data, error, loading } = useLoad(
    (signal) => call<AuditResponse>(`/audit${query({ actor, action, docid, before, limit: pageSize })}`, { signal }),
    [actor, action, docid, before],
  );
  const entries = data?.entries ?? [];
  return (
    <>
      <h1 tabIndex={-1}>Audit log</h1>
      <p class="lead">Who did what, newest first. Nothing is ever taken out of it.</p>
      <form
        class="tools"
        role="search"
        key={`${actor} ${action} ${docid}`}
        onSubmit={(event) => {
          event.preventDefault();
          const value = valuesOf(event.currentTarget);
          go(to(['audit'], { actor: value('actor'), action: value('action'), docid: value('docid') }));
        }}
      >
        <label>
          Key <input name="actor" defaultValue={actor} maxLength={100} size={12} />
        </label>
        <label>
          Document <input name="docid" defaultValue={docid} placeholder="docid" size={12} />
        </label>
        <label>
          What{' '}
          <select name="action" defaultValue={action}>
            <option value="">all</option>
            {auditActions.map((one) => (
              <option key={one} selected={one === action}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Show</button>
      </form>
      <Wrong error={error} />
      <Status>{loading && !data ? 'Loading …' : ''}</Status>
      {data && entries.length === 0 && <Empty>Nobody did anything like that.</Empty>}
      {entries.length > 0 && (
        <>
          <ul class="rows" aria-label="Entries">
            {entries.map((entry) => (
              <One key={entry.id} entry={entry} />
            ))}
          </ul>
          <nav class="pages" aria-label="Pages">
            <button
              type="button"
              class="plain"
              disabled={!before}
              onClick={() => go(to(['audit'], { actor, action, docid }))}
            >
              Newest
            </button>
            <button
              type="button"
              class="plain"
              disabled={entries.length < pageSize}
              onClick={() => go(to(['audit'], { actor, action, docid, before: entries.at(-1)!.id }))}
            >
              Older
            </button>
          </nav>
        </>
      )}
    </>
  );
}

function One({ entry }: { readonly entry: Entry }): JSX.Element {
  const { id, at, actor, action, subject, details, figures, requestId } = entry;
  const isEdit = id.startsWith('edit-');
  const { canaries } = figures ?? {};
  return (
    <li>
      <h2>
        {isEdit && action === 'edit' ? summary(details as Pick<EditView, 'operations'>) : action}{' '}
        <span class="seq">{isEdit ? `edit ${subject}` : subject}</span>
      </h2>
      <p class="facts">
        <span>{when(at)}</span>
        <span>{actor === null ? 'nobody named' : <a href={to(['audit'], { actor })}>{actor}</a>}</span>
        {canaries && canaries.count > 0 && (
          <span>
            old documents {share(canaries.before)} → {share(canaries.after)} (
            {signedShare(canaries.after - canaries.before)})
          </span>
        )}
        {isEdit && <a href={to(['edits'], { before: String(Number(subject) + 1) })}>among the edits</a>}
      </p>
      <details>
        <summary>
          Details
          <span class="unseen">
            {' '}
            of {action} {subject}
          </span>
        </summary>
        {figures && <Figures figures={figures} />}
        <pre class="details" tabIndex={0} aria-label={`Details of ${action} ${subject}`}>
          {JSON.stringify(details, null, 2)}
        </pre>
        {requestId && (
          <p class="facts">
            request <code>{requestId}</code>
          </p>
        )}
      </details>
    </li>
  );
}

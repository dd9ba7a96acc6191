import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { DocumentView as Document } from '../../schemas.ts';
import type { EditsResponse } from '../../edit-schemas.ts';
import { call, edit, query, send, type EditWish } from '../client.ts';
import { useKey } from '../key.ts';
import { useLoad } from '../load.ts';
import { DocumentForm, type Draft } from '../parts/document-form.tsx';
import { EditDialog } from '../parts/edit-dialog.tsx';
import { EditList } from '../parts/edit-list.tsx';
import { Status, Wrong } from '../parts/notice.tsx';
import { go, to } from '../router.ts';
import { number } from '../words.ts';

const pathOf = (docid: string): string => `/documents/${encodeURIComponent(docid)}`;

/** What is being done to the document: its text in a form, or an edit in a dialog. */
type Action = 'edit' | 'rename' | 'delete';

export function DocumentView({ docid }: { readonly docid: string }): JSX.Element {
  const [action, setAction] = useState<Action>();
  const [said, say] = useState('');
  const { data, error, reload } = useLoad(
    async (signal) => {
      const response = await send(pathOf(docid), { signal });
      return { document: (await response.json()) as Document, etag: response.headers.get('etag') ?? '*' };
    },
    [docid],
  );
  const close = (): void => setAction(undefined);
  if (!data)
    return (
      <>
        <Back />
        <h1 tabIndex={-1}>{docid}</h1>
        <Wrong error={error} />
      </>
    );
  const { document, etag } = data;
  const matching = (wish: EditWish): EditWish => ({ ...wish, headers: { ...wish.headers, 'if-match': etag } });
  return (
    <>
      <Back />
      <div class="title">
        <h1 tabIndex={-1}>{document.title || docid}</h1>
        {action !== 'edit' && (
          <div class="actions">
            <button type="button" class="plain" onClick={() => setAction('rename')}>
              Rename
            </button>
            <button type="button" class="plain danger" onClick={() => setAction('delete')}>
              Delete
            </button>
            <button type="button" onClick={() => setAction('edit')}>
              Edit
            </button>
          </div>
        )}
      </div>
      <Status>{said}</Status>
      {action === 'edit' ? (
        <Change
          document={document}
          matching={matching}
          onClose={close}
          onDone={(seq) => {
            close();
            say(`Changed by edit ${seq}.`);
            reload();
          }}
        />
      ) : (
        <Content document={document} />
      )}
      {action === 'delete' && <Delete docid={docid} matching={matching} onClose={close} />}
      {action === 'rename' && <Rename docid={docid} matching={matching} onClose={close} />}
      <History key={document.version} docid={docid} />
    </>
  );
}

const Back = (): JSX.Element => (
  <p class="back">
    <a href={to(['documents'])}>← Documents</a>
  </p>
);

function Content({ document: { docid, text, metadata, version } }: { readonly document: Document }): JSX.Element {
  const fields = Object.entries(metadata);
  return (
    <article class="sheet">
      <p class="prose">{text}</p>
      <dl class="fields">
        <dt>Docid</dt>
        <dd>
          <code>{docid}</code>
        </dd>
        <dt>Version</dt>
        <dd>{number(version)}</dd>
        {fields.map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{typeof value === 'string' ? value : <code>{JSON.stringify(value)}</code>}</dd>
          </>
        ))}
      </dl>
    </article>
  );
}

interface Doing {
  readonly docid: string;
  /** Adds the version of the document that is shown: a change by another is not overwritten. */
  readonly matching: (wish: EditWish) => EditWish;
  readonly onClose: () => void;
}

function Change(props: {
  readonly document: Document;
  readonly matching: Doing['matching'];
  readonly onClose: () => void;
  readonly onDone: (seq: number) => void;
}): JSX.Element {
  const { document, matching, onClose, onDone } = props;
  const [draft, setDraft] = useState<Draft>();
  const { docid } = document;
  return (
    <>
      <DocumentForm document={document} submit="Measure the change" onCancel={onClose} onSubmit={setDraft} />
      {draft && (
        <EditDialog
          title={`Change “${draft.title || docid}”?`}
          confirm="Make the change"
          run={(wish) => {
            const { title, text, metadata, queries } = draft;
            const body = { title, text, metadata, queries };
            return edit(pathOf(docid), { ...matching(wish), method: 'PUT', body });
          }}
          onClose={() => setDraft(undefined)}
          onDone={({ seq }) => onDone(seq!)}
        />
      )}
    </>
  );
}

function Delete({ docid, matching, onClose }: Doing): JSX.Element {
  const [forget, setForget] = useState(false);
  return (
    <EditDialog
      title={`Delete ${docid}?`}
      confirm={forget ? 'Delete for good' : 'Delete'}
      danger
      run={(wish) => edit(pathOf(docid), { ...matching(wish), method: 'DELETE', forget })}
      inputs={[forget]}
      onClose={onClose}
      onDone={() => go(to(['documents']))}
      options={
        <label class="choice">
          <input type="checkbox" checked={forget} onChange={({ currentTarget }) => setForget(currentTarget.checked)} />
          Erase all that the document ever said. It cannot be undone then.
        </label>
      }
    />
  );
}

function Rename({ docid, matching, onClose }: Doing): JSX.Element {
  const [name, setName] = useState('');
  const [wanted, setWanted] = useState(docid);
  const field = useId();
  return (
    <EditDialog
      title={`Rename ${docid}`}
      confirm={wanted === docid ? 'Rename' : `Rename to ${wanted}`}
      run={(wish) =>
        wanted === docid
          ? Promise.reject(new Error('Type a docid that no document has, then measure.'))
          : edit(`${pathOf(docid)}/rename`, { ...matching(wish), body: { to: wanted } })
      }
      budgets={false}
      inputs={[wanted]}
      onClose={onClose}
      onDone={() => go(to(['documents', wanted]))}
      options={
        <form
          class="budget"
          onSubmit={(event) => {
            event.preventDefault();
            setWanted(name.trim());
          }}
        >
          <label for={field}>New docid</label>
          <input id={field} required value={name} onInput={({ currentTarget }) => setName(currentTarget.value)} />
          <button type="submit" class="plain">
            Measure
          </button>
        </form>
      }
    />
  );
}

function History({ docid }: { readonly docid: string }): JSX.Element | null {
  const hasKey = useKey() !== null;
  const { data } = useLoad(
    async (signal) => (hasKey ? call<EditsResponse>(`/edits${query({ docid, limit: 50 })}`, { signal }) : undefined),
    [docid, hasKey],
  );
  if (!data || data.edits.length === 0) return null;
  return (
    <section>
      <h2>Edits of this document</h2>
      <EditList edits={data.edits} />
    </section>
  );
}

export function NewDocumentView(): JSX.Element {
  const [draft, setDraft] = useState<Draft>();
  return (
    <>
      <Back />
      <h1 tabIndex={-1}>Add a document</h1>
      <DocumentForm submit="Measure the addition" onCancel={() => go(to(['documents']))} onSubmit={setDraft} />
      {draft && (
        <EditDialog
          title={`Add “${draft.title || draft.docid}”?`}
          confirm="Add the document"
          run={(wish) => edit('/documents', { ...wish, body: draft })}
          onClose={() => setDraft(undefined)}
          onDone={() => go(to(['documents', draft.docid]))}
        />
      )}
    </>
  );
}

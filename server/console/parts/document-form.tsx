import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { DocumentView } from '../../schemas.ts';
import { valuesOf } from '../form.ts';

/** What the form makes: the body of POST /documents. */
export interface Draft {
  readonly docid: string;
  readonly title: string;
  readonly text: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The server makes its own from the text where there are none. */
  readonly queries?: readonly string[];
}

export function DocumentForm(props: {
  /** What the fields hold at first; its docid stays. */
  readonly document?: DocumentView;
  readonly submit: string;
  readonly onSubmit: (draft: Draft) => void;
  readonly onCancel: () => void;
}): JSX.Element {
  const { document, submit, onSubmit, onCancel } = props;
  const [wrong, setWrong] = useState('');
  const send = (form: HTMLFormElement): void => {
    const value = valuesOf(form);
    const metadata = metadataOf(value('metadata'));
    setWrong(typeof metadata === 'string' ? metadata : '');
    if (typeof metadata === 'string') return (form.elements.namedItem('metadata') as HTMLElement).focus();
    const queries = value('queries')
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    onSubmit({
      docid: document?.docid ?? value('docid'),
      title: value('title'),
      text: value('text'),
      metadata,
      ...(queries.length > 0 && { queries }),
    });
  };
  return (
    <form
      class="sheet form"
      onSubmit={(event) => {
        event.preventDefault();
        send(event.currentTarget);
      }}
    >
      {!document && (
        <label>
          <span>Docid</span>
          <input name="docid" required maxLength={512} autocomplete="off" spellcheck={false} />
        </label>
      )}
      <label>
        <span>Title</span>
        <input name="title" defaultValue={document?.title} autocomplete="off" />
      </label>
      <label>
        <span>Text</span>
        <textarea name="text" rows={9} required defaultValue={document?.text} />
      </label>
      <label>
        <span>
          Questions it answers <small>one a line; made from the text where left empty</small>
        </span>
        <textarea name="queries" rows={3} />
      </label>
      <label>
        <span>
          Metadata <small>a JSON object</small>
        </span>
        <textarea
          name="metadata"
          class="code"
          rows={4}
          spellcheck={false}
          defaultValue={JSON.stringify(document?.metadata ?? {}, null, 2)}
          aria-invalid={wrong !== ''}
          aria-describedby={wrong ? 'metadata-problem' : undefined}
        />
      </label>
      {wrong && (
        <p id="metadata-problem" class="notice bad" role="alert">
          {wrong}
        </p>
      )}
      <div class="actions">
        <button type="button" class="plain" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit">{submit}</button>
      </div>
    </form>
  );
}

/** The object, or what is wrong with the text. */
function metadataOf(text: string): Record<string, unknown> | string {
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
    return 'Metadata: expected a JSON object like {"year": 1900}.';
  } catch (error) {
    return `Metadata: ${error instanceof Error ? error.message : String(error)}`;
  }
}

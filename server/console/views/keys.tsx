import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { EditsResponse } from '../../edit-schemas.ts';
import { call, Refusal } from '../client.ts';
import { valuesOf } from '../form.ts';
import { setKey, useKey } from '../key.ts';
import { Keys } from '../parts/keys.tsx';
import { Status, Wrong } from '../parts/notice.tsx';

export function KeysView(): JSX.Element {
  const key = useKey();
  const field = useId();
  const [error, setError] = useState<Error>();
  const [said, say] = useState('');
  const enter = async (form: HTMLFormElement): Promise<void> => {
    setError(undefined);
    say('');
    setKey(valuesOf(form)('key'));
    try {
      await call<EditsResponse>('/edits?limit=0');
      say('The server takes this key.');
      form.reset();
    } catch (reason) {
      setKey(null);
      const isUnknown = reason instanceof Refusal && reason.status === 401;
      setError(isUnknown ? new Error('The server does not know this key.') : (reason as Error));
    }
  };
  return (
    <>
      <h1 tabIndex={-1}>Keys</h1>
      <p class="lead">
        Editing, the history of edits and analyses need an API key. The admin key was shown at the first start;{' '}
        <code>PALIMPSEST_ADMIN_KEY</code> sets another. It stays in this tab until you close it.
      </p>
      <form
        class="tools sheet"
        onSubmit={(event) => {
          event.preventDefault();
          void enter(event.currentTarget);
        }}
      >
        <label class="wide" for={field}>
          API key{' '}
          <input
            id={field}
            name="key"
            type="password"
            required
            autocomplete="off"
            spellcheck={false}
            pattern="[!-~]+"
          />
        </label>
        <button type="submit">Use this key</button>
        {key !== null && (
          <button
            type="button"
            class="plain"
            onClick={() => {
              setKey(null);
              say('The key is forgotten.');
            }}
          >
            Forget the key
          </button>
        )}
      </form>
      <Wrong error={error} />
      <Status>{said || (key === null ? 'No key is set.' : 'A key is set.')}</Status>
      {key !== null && <Keys />}
    </>
  );
}

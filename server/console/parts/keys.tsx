import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { Scope } from '../../keys/scope.ts';
import { call, Refusal, send } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { when } from '../words.ts';
import { Dialog } from './dialog.tsx';
import { Empty, Wrong } from './notice.tsx';

/** As `/keys` answers. Its schemas would bring along modules that do not compile beside a browser's types. */
interface KeyView {
  readonly name: string;
  readonly scope: Scope;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  /** Until then the secret before the last rotation is valid too. */
  readonly previousUntil: string | null;
}

interface MadeKeyView extends KeyView {
  readonly secret: string;
}

const scopes = { read: 'read', edit: 'read and edit', admin: 'everything' } as const satisfies Record<
  KeyView['scope'],
  string
>;

const day = 24 * 3600;

type Action = { readonly kind: 'rotate' | 'revoke'; readonly key: KeyView };

/** All keys of the server, for those who run it: made, rotated and revoked here. */
export function Keys(): JSX.Element {
  const { data, error, reload } = useLoad((signal) => call<{ keys: readonly KeyView[] }>('/keys', { signal }), []);
  const [failed, setFailed] = useState<Error>();
  const [made, setMade] = useState<MadeKeyView>();
  const [action, setAction] = useState<Action>();
  const changed = (key?: MadeKeyView): void => {
    setAction(undefined);
    setFailed(undefined);
    setMade(key);
    reload();
  };
  const make = async (form: HTMLFormElement): Promise<void> => {
    const value = valuesOf(form);
    const days = Number(value('days'));
    const expiresAt = days > 0 ? { expiresAt: new Date(Date.now() + days * day * 1000).toISOString() } : {};
    const body = { name: value('name'), scope: value('scope'), ...expiresAt };
    try {
      changed(await call<MadeKeyView>('/keys', { method: 'POST', body }));
      form.reset();
    } catch (reason) {
      setFailed(reason as Error);
    }
  };
  if (error instanceof Refusal && error.status === 403)
    return <Empty>Who has an admin key manages the keys of this server here.</Empty>;
  if (!data) return <Wrong error={error} />;
  return (
    <section aria-labelledby="keys">
      <h2 id="keys">Keys of this server</h2>
      <form
        class="tools sheet"
        onSubmit={(event) => {
          event.preventDefault();
          void make(event.currentTarget);
        }}
      >
        <label>
          Name <input name="name" required maxLength={64} pattern="[\w.:@\-]+" autocomplete="off" spellcheck={false} />
        </label>
        <label>
          Permits{' '}
          <select name="scope">
            {Object.entries(scopes).map(([scope, text]) => (
              <option key={scope} value={scope}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <label>
          Days <input class="short" name="days" type="number" min="1" max="36500" placeholder="no end" />
        </label>
        <button type="submit">Make a key</button>
      </form>
      <Wrong error={failed} />
      <ul class="rows" aria-label="Keys">
        {data.keys.map((key) => (
          <li key={key.name}>
            <div class="title">
              <h3>
                {key.name} <span class="tag">{scopes[key.scope]}</span>
              </h3>
              <div class="actions">
                <button type="button" class="plain small" onClick={() => setAction({ kind: 'rotate', key })}>
                  Rotate<span class="unseen"> {key.name}</span>
                </button>
                <button type="button" class="plain small danger" onClick={() => setAction({ kind: 'revoke', key })}>
                  Revoke<span class="unseen"> {key.name}</span>
                </button>
              </div>
            </div>
            <p class="facts">
              <span>made {when(key.createdAt)}</span>
              <span>{key.expiresAt === null ? 'without end' : `until ${when(key.expiresAt)}`}</span>
              <span>{key.lastUsedAt === null ? 'never used' : `last used ${when(key.lastUsedAt)}`}</span>
              {key.previousUntil !== null && <span>secret before valid until {when(key.previousUntil)}</span>}
            </p>
          </li>
        ))}
      </ul>
      {made && <Secret made={made} onClose={() => setMade(undefined)} />}
      {action?.kind === 'rotate' && (
        <Rotate name={action.key.name} onDone={changed} onClose={() => setAction(undefined)} />
      )}
      {action?.kind === 'revoke' && (
        <Revoke name={action.key.name} onDone={changed} onClose={() => setAction(undefined)} />
      )}
    </section>
  );
}

function Secret({
  made: { name, secret },
  onClose,
}: {
  readonly made: MadeKeyView;
  readonly onClose: () => void;
}): JSX.Element {
  const field = useId();
  return (
    <Dialog title={`The secret of ${name}`} onClose={onClose}>
      <p>It is shown once: the server keeps only a hash of it.</p>
      <label for={field} class="unseen">
        Secret
      </label>
      <input
        id={field}
        class="secret"
        readOnly
        value={secret}
        onFocus={({ currentTarget }) => currentTarget.select()}
      />
      <div class="actions">
        <button type="button" onClick={onClose}>
          I have kept it
        </button>
      </div>
    </Dialog>
  );
}

interface Asked {
  readonly name: string;
  readonly onDone: (made?: MadeKeyView) => void;
  readonly onClose: () => void;
}

function Rotate({ name, onDone, onClose }: Asked): JSX.Element {
  const [atOnce, setAtOnce] = useState(false);
  const rotate = async (): Promise<void> => {
    const body = { graceSeconds: atOnce ? 0 : day };
    onDone(await call<MadeKeyView>(`/keys/${encodeURIComponent(name)}/rotate`, { method: 'POST', body }));
  };
  return (
    <Confirm title={`Give ${name} another secret?`} confirm="Rotate" act={rotate} onClose={onClose}>
      <p>{atOnce ? 'The secret before is not valid any more.' : 'The secret before stays valid for a day.'}</p>
      <label class="choice">
        <input type="checkbox" checked={atOnce} onChange={({ currentTarget }) => setAtOnce(currentTarget.checked)} />
        Others have come to know it: end it at once.
      </label>
    </Confirm>
  );
}

function Revoke({ name, onDone, onClose }: Asked): JSX.Element {
  const revoke = async (): Promise<void> => {
    await send(`/keys/${encodeURIComponent(name)}`, { method: 'DELETE' });
    onDone();
  };
  return (
    <Confirm title={`Revoke ${name}?`} confirm="Revoke" danger act={revoke} onClose={onClose}>
      <p>Whoever uses it is refused from now on. Its name stays in the history of edits.</p>
    </Confirm>
  );
}

/** Asks before something is done, and says what went wrong. */
function Confirm(props: {
  readonly title: string;
  readonly confirm: string;
  readonly act: () => Promise<void>;
  readonly onClose: () => void;
  readonly danger?: boolean;
  readonly children: JSX.Element | JSX.Element[];
}): JSX.Element {
  const { title, confirm, act, onClose, danger = false, children } = props;
  const [error, setError] = useState<Error>();
  return (
    <Dialog title={title} onClose={onClose}>
      {children}
      <Wrong error={error} />
      <div class="actions">
        <button type="button" class="plain" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class={danger ? 'danger' : ''} onClick={() => void act().catch(setError)}>
          {confirm}
        </button>
      </div>
    </Dialog>
  );
}

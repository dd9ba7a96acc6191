import type { ComponentChildren, JSX } from 'preact';
import { CancelledError, Refusal } from '../client.ts';
import { to } from '../router.ts';

/** What went wrong, and what to do where that is a matter of the key. */
export function Wrong({ error }: { readonly error: Error | undefined }): JSX.Element | null {
  if (!error) return null;
  if (error instanceof CancelledError)
    return (
      <p class="notice" role="alert">
        {error.message}
      </p>
    );
  const { status, problem } = error instanceof Refusal ? error : { status: 0, problem: undefined };
  const fields = problem?.errors.filter(({ path }) => path !== '') ?? [];
  return (
    <div class="notice bad" role="alert">
      {status === 401 || status === 403 ? (
        <>
          <p>{status === 401 ? 'This needs an API key.' : 'The key that is set does not permit this.'}</p>
          <p>
            <a href={to(['keys'])}>{status === 401 ? 'Enter a key' : 'Enter another key'}</a>
          </p>
        </>
      ) : fields.length > 0 ? (
        <>
          <p>{problem!.title}.</p>
          <ul>
            {fields.map(({ path, message }) => (
              <li key={path}>
                <code>{path}</code>: {message}
              </li>
            ))}
          </ul>
        </>
      ) : (
        <p>{error.message}</p>
      )}
    </div>
  );
}

/** Something that holds as long as it is shown; read out when it changes. */
export function Status({ children }: { readonly children?: ComponentChildren }): JSX.Element {
  return (
    <p class="status" role="status">
      {children}
    </p>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

import type { JSX } from 'preact';
import type { ImportLine } from '../../edit-schemas.ts';
import { callLines } from '../client.ts';
import { useLoad } from '../load.ts';
import { number, plural } from '../words.ts';
import { Wrong } from './notice.tsx';

export interface Fault {
  readonly line: number;
  readonly message: string;
}

const shown = 200;

/** Lines with what is wrong with them; open where there are few. */
export function Faults({
  faults,
  more = false,
}: {
  readonly faults: readonly Fault[];
  readonly more?: boolean;
}): JSX.Element {
  return (
    <details class="faults" open={faults.length <= 5}>
      <summary>
        {more && 'The first '}
        {plural(faults.length, 'line')} with a problem
      </summary>
      <ul>
        {faults.slice(0, shown).map(({ line, message }) => (
          <li key={line}>
            Line {number(line)}: {message}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Lines of an import that were not added, as far as it has come. Looks again when `turn` changes. */
export function LineFaults({ task, turn }: { readonly task: number; readonly turn: unknown }): JSX.Element | null {
  const { data, error } = useLoad(
    (signal) => callLines<ImportLine>(`/tasks/${task}/results?failed=true&limit=${shown}`, { signal }),
    [task, turn],
  );
  if (error) return <Wrong error={error} />;
  if (!data?.length) return null;
  const faults = data.map(({ line, docid, detail, code }) => ({ line, message: `${docid ?? '?'}: ${detail ?? code}` }));
  return <Faults faults={faults} more={faults.length === shown} />;
}

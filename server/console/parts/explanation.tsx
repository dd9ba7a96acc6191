import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { explanationView } from '../../web/explanation.js';
import '../../web/explanation.css';
import type { RetrieveResponse } from '../../schemas.ts';
import { call } from '../client.ts';
import { go, to } from '../router.ts';
import { Wrong } from './notice.tsx';

/** Why the model ranks a document where it does, drawn as on the search page. Asked for when it appears. */
export function Explanation(props: {
  readonly query: string;
  readonly docid: string;
  readonly titleOf: (docid: string) => string | undefined;
}): JSX.Element {
  const { query, docid, titleOf } = props;
  const place = useRef<HTMLDivElement>(null);
  const [state, setState] = useState<'asking' | 'absent' | 'shown' | Error>('asking');
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    // Allowed alone, this very document comes out, if the model has it.
    const body = { query, k: 1, allow: [docid], explain: true };
    call<RetrieveResponse>('/retrieve', { method: 'POST', body, signal }).then(
      ({ candidates: [first] }) => {
        if (signal.aborted) return;
        if (first)
          place.current!.replaceChildren(...explanationView(first.explanation ?? first.pathExplanation, titleOf));
        setState(first ? 'shown' : 'absent');
      },
      (error: Error) => !signal.aborted && setState(error),
    );
    return () => controller.abort();
  }, [query, docid]);
  return (
    <>
      {state === 'asking' && <p role="status">Looking into the model …</p>}
      {state === 'absent' && (
        <p role="status">The model does not have this document; it was found by its words alone.</p>
      )}
      {state instanceof Error && <Wrong error={state} />}
      <div ref={place} onClick={openHere} />
    </>
  );
}

/** Its links lead to the API; here they open the document in the console. */
function openHere(event: MouseEvent): void {
  const link = (event.target as Element).closest('a')?.getAttribute('href');
  if (!link?.startsWith('/documents/')) return;
  event.preventDefault();
  go(to(['documents', decodeURIComponent(link.slice('/documents/'.length))]));
}

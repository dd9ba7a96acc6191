import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { EditsResponse, EditView } from '../../edit-schemas.ts';
import { call, edit, query } from '../client.ts';
import { useLoad } from '../load.ts';
import { EditDialog } from '../parts/edit-dialog.tsx';
import { EditList, summary } from '../parts/edit-list.tsx';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { SuccessChart } from '../parts/success-chart.tsx';
import { go, to, type Place } from '../router.ts';

const pageSize = 30;

type Back = { readonly undo: EditView } | { readonly revertTo: number };

export function EditsView({ parameters }: Place): JSX.Element {
  const before = parameters.get('before') ?? '';
  const [back, setBack] = useState<Back>();
  const [said, say] = useState('');
  const { data, error, loading, reload } = useLoad(
    (signal) => call<EditsResponse>(`/edits${query({ limit: pageSize, before })}`, { signal }),
    [before],
  );
  const oldest = data?.edits.at(-1)?.seq ?? 0;
  const done = (what: string) => {
    setBack(undefined);
    say(what);
    reload();
  };
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Edits</h1>
        {data && data.last > 0 && (
          <div class="actions">
            <button type="button" class="plain danger" onClick={() => setBack({ revertTo: 0 })}>
              Take all back
            </button>
          </div>
        )}
      </div>
      <Wrong error={error} />
      <Status>{said || (loading && !data ? 'Loading …' : '')}</Status>
      {data?.last === 0 && (
        <Empty>
          Nothing was edited: the model is as it was trained. <a href={to(['add'])}>Add a document</a> to begin.
        </Empty>
      )}
      {data && data.edits.length > 0 && (
        <>
          <SuccessChart edits={data.edits} />
          <EditList
            edits={data.edits}
            actions={(one) => (
              <>
                {one.seq < data.last && (
                  <button type="button" class="plain small" onClick={() => setBack({ revertTo: one.seq })}>
                    Revert to here<span class="unseen"> (edit {one.seq})</span>
                  </button>
                )}
                {one.undoneBy === null && !one.folded && (
                  <button type="button" class="plain small" onClick={() => setBack({ undo: one })}>
                    Undo<span class="unseen"> edit {one.seq}</span>
                  </button>
                )}
              </>
            )}
          />
          <nav class="pages" aria-label="Pages">
            <button type="button" class="plain" disabled={!before} onClick={() => go(to(['edits']))}>
              Newest
            </button>
            <button
              type="button"
              class="plain"
              disabled={oldest <= 1}
              onClick={() => go(to(['edits'], { before: String(oldest) }))}
            >
              Older
            </button>
          </nav>
        </>
      )}
      {back && 'undo' in back && (
        <EditDialog
          title={`Undo edit ${back.undo.seq}?`}
          confirm="Undo the edit"
          budgets={false}
          options={<p>It {summary(back.undo)}. Model and documents become as if it had never been.</p>}
          run={(wish) => edit(`/edits/${back.undo.seq}/undo`, wish)}
          onClose={() => setBack(undefined)}
          onDone={({ seq }) => done(`Edit ${back.undo.seq} was undone by edit ${seq}.`)}
        />
      )}
      {back && 'revertTo' in back && (
        <EditDialog
          title={back.revertTo === 0 ? 'Take back all edits?' : `Take back all edits after ${back.revertTo}?`}
          confirm="Take them back"
          danger
          budgets={false}
          options={<p>This is one edit itself, which can be undone.</p>}
          run={(wish) => edit('/edits/revert', { ...wish, body: { to: back.revertTo } })}
          onClose={() => setBack(undefined)}
          onDone={({ seq }) => done(`Taken back by edit ${seq}.`)}
        />
      )}
    </>
  );
}

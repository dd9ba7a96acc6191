import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Imported } from '../../imports/input.ts';
import type { TaskView } from '../../schemas.ts';
import { call, Refusal } from '../client.ts';
import { useEvery, useLoad } from '../load.ts';
import { LineFaults } from './line-faults.tsx';
import { Status, Wrong } from './notice.tsx';
import { TaskProgress } from './task-progress.tsx';
import { to } from '../router.ts';
import { number, plural } from '../words.ts';

const everyMs = 1000;

/** An import under way or done, whoever began it: how far it is, what failed, and a way to stop it. */
export function ImportTask({ id }: { readonly id: number }): JSX.Element {
  const { data: task, error, reload } = useLoad((signal) => call<TaskView>(`/tasks/${id}`, { signal }), [id]);
  const [refused, setRefused] = useState<Error>();
  const isOver = Boolean(task?.finishedAt) || (error instanceof Refusal && error.status > 0);
  useEvery(everyMs, !isOver, reload);
  const cancel = (): void => {
    setRefused(undefined);
    call(`/tasks/${id}/cancel`, { method: 'POST' }).then(reload, setRefused);
  };
  return (
    <>
      <Wrong error={refused ?? error} />
      {task && (
        <section class="sheet" aria-labelledby="import-task">
          <h2 id="import-task">
            Task {number(id)} <span class={`tag ${task.state}`}>{task.state}</span>
          </h2>
          {task.finishedAt ? <Status>{outcomeOf(task)}</Status> : <TaskProgress task={task} />}
          {!task.finishedAt && (
            <p class="lead">It goes on without this page, and after a restart of the server where it stopped.</p>
          )}
          {task.error && <p class="notice bad">{task.error.message}</p>}
          <LineFaults task={id} turn={task.finishedAt ?? task.progress?.done} />
          <div class="actions">
            {task.finishedAt ? (
              <>
                <a class="button plain" href={to(['import'])}>
                  Import another file
                </a>
                <a class="button" href={to(['edits'])}>
                  See what it did
                </a>
              </>
            ) : (
              <button type="button" class="plain" onClick={cancel}>
                Stop
              </button>
            )}
          </div>
        </section>
      )}
    </>
  );
}

function outcomeOf({ state, result, progress }: TaskView): string {
  if (state === 'succeeded') {
    const { lines, added, failed } = result as Imported;
    return `${number(added)} of ${plural(lines, 'document')} added${failed > 0 ? `, ${number(failed)} refused` : ''}.`;
  }
  const { done = 0, total = 0 } = progress ?? {};
  return `It ended after ${number(done)} of ${plural(total, 'line')}; what was added before stays.`;
}

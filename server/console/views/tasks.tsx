import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { TasksResponse } from '../../schemas.ts';
import { call, query } from '../client.ts';
import { useEvery, useLoad } from '../load.ts';
import { Empty, Status, Wrong } from '../parts/notice.tsx';
import { TaskProgress } from '../parts/task-progress.tsx';
import { go, to, type Place } from '../router.ts';
import { duration, number, plural, when } from '../words.ts';

type Task = TasksResponse['tasks'][number];

const states = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted'] as const;

/** Milliseconds between two looks while something goes on, and while nothing does. */
const every = { busy: 1500, quiet: 10_000 };

export function TasksView({ parameters }: Place): JSX.Element {
  const state = parameters.get('state') ?? '';
  const [error, setError] = useState<Error>();
  const list = useLoad((signal) => call<TasksResponse>(`/tasks${query({ state, limit: 50 })}`, { signal }), [state]);
  const busy = list.data?.tasks.some(({ finishedAt }) => finishedAt === null) ?? false;
  useEvery(busy ? every.busy : every.quiet, true, list.reload);
  const cancel = (id: number): void => {
    setError(undefined);
    call(`/tasks/${id}/cancel`, { method: 'POST' }).then(list.reload, setError);
  };
  return (
    <>
      <h1 tabIndex={-1}>Tasks</h1>
      <div class="tools">
        <label>
          State{' '}
          <select value={state} onChange={({ currentTarget }) => go(to(['tasks'], { state: currentTarget.value }))}>
            <option value="">all</option>
            {states.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      <Wrong error={error ?? list.error} />
      <Status>{list.data && plural(list.data.total, 'task')}</Status>
      {list.data?.total === 0 && (
        <Empty>Imports, analyses, comparisons, exports, snapshots and edits that take their time appear here.</Empty>
      )}
      <ul class="rows" aria-label="Tasks">
        {list.data?.tasks.map((task) => (
          <One key={task.id} task={task} onCancel={() => cancel(task.id)} />
        ))}
      </ul>
    </>
  );
}

function One({ task, onCancel }: { readonly task: Task; readonly onCancel: () => void }): JSX.Element {
  const { id, kind, state, createdAt, startedAt, finishedAt, error, input } = task;
  const seconds = startedAt && finishedAt ? (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000 : null;
  return (
    <li>
      <div class="title">
        <h2>
          <span class="seq">{number(id)}</span> {kind} <span class={`tag ${state}`}>{state}</span>
        </h2>
        {!finishedAt && (
          <div class="actions">
            <button type="button" class="plain small" aria-label={`Cancel task ${id}`} onClick={onCancel}>
              Cancel
            </button>
          </div>
        )}
      </div>
      {!finishedAt && <TaskProgress task={task} />}
      {error && <p class="notice bad">{error.message}</p>}
      {kind === 'import' && (
        <p class="facts">
          <a href={to(['import'], { task: String(id) })}>
            Its lines<span class="unseen"> (task {number(id)})</span>
          </a>
        </p>
      )}
      <p class="facts">
        <span>{when(createdAt)}</span>
        {seconds !== null && <span>took {duration(seconds)}</span>}
        <code class="clip">{JSON.stringify(input)}</code>
      </p>
    </li>
  );
}

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Evaluation } from '../../edit-schemas.ts';
import type { TasksResponse, TaskView } from '../../schemas.ts';
import { call, ended, query } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { BarsLegend, BeforeAfterBars } from '../parts/figures.tsx';
import { Empty, Wrong } from '../parts/notice.tsx';
import { TaskProgress } from '../parts/task-progress.tsx';
import { number, plural, when } from '../words.ts';

const groupNames = {
  kept: 'Documents that stayed',
  added: 'Documents that were added',
  removed: 'Documents that were removed',
} satisfies Record<keyof Evaluation['groups'], string>;
const measures = ['Success@1', 'Success@10', 'RR@10', 'nDCG@10'] as const;

/** Any two versions on the same judged queries. */
export function ComparisonView(): JSX.Element {
  const [task, setTask] = useState<TaskView>();
  const [error, setError] = useState<Error>();
  const latest = useLoad(latestComparison, []);
  const start = async (value: (name: string) => string): Promise<void> => {
    setError(undefined);
    const edit = (name: string): number | undefined => {
      const text = value(name);
      return text === '' ? undefined : Number(text);
    };
    const split = value('split');
    const body = { before: edit('before'), after: edit('after'), ...(split && { split }) };
    try {
      await ended(await call<TaskView>(`/evaluate${query({ wait: 1 })}`, { method: 'POST', body }), setTask);
      latest.reload();
    } catch (reason) {
      setError(reason as Error);
    }
    setTask(undefined);
  };
  return (
    <>
      <h1 tabIndex={-1}>Before and after</h1>
      <p class="lead">What edits did to what is found: two versions of the model answer the same judged questions.</p>
      <form
        class="tools sheet"
        onSubmit={(event) => {
          event.preventDefault();
          void start(valuesOf(event.currentTarget));
        }}
      >
        <label>
          Before, edit <input class="short" name="before" type="number" min="0" placeholder="base" />
        </label>
        <label>
          After, edit <input class="short" name="after" type="number" min="0" placeholder="newest" />
        </label>
        <label>
          Questions{' '}
          <select name="split">
            <option value="">best there are</option>
            <option>test</option>
            <option>dev</option>
            <option>train</option>
          </select>
        </label>
        <button type="submit" disabled={task !== undefined}>
          Compare
        </button>
      </form>
      <div aria-live="polite">{task && <TaskProgress task={task} />}</div>
      <Wrong error={error ?? latest.error} />
      {latest.data === null && <Empty>No comparison yet.</Empty>}
      {latest.data && <Result task={latest.data} />}
    </>
  );
}

async function latestComparison(signal: AbortSignal): Promise<TaskView | null> {
  const address = `/tasks${query({ kind: 'evaluation', state: 'succeeded', limit: 1 })}`;
  const [newest] = (await call<TasksResponse>(address, { signal })).tasks;
  return newest ? call<TaskView>(`/tasks/${newest.id}`, { signal }) : null;
}

function Result({ task }: { readonly task: TaskView }): JSX.Element {
  const { split, before, after, groups } = task.result as Evaluation;
  const shown = (Object.keys(groupNames) as (keyof typeof groupNames)[]).flatMap((name) => {
    const group = groups[name];
    return group ? [{ name, group }] : [];
  });
  const side = ({ seq, documents }: Evaluation['before']): string =>
    `${seq === 0 ? 'the model as it was trained' : `edit ${seq}`} (${plural(documents, 'document')})`;
  return (
    <section aria-labelledby="comparison">
      <h2 id="comparison">
        From {side(before)} to {side(after)}
      </h2>
      <p class="facts">
        <span>{split ? `${split} split` : 'questions of a caller'}</span>
        {task.finishedAt && <span>{when(task.finishedAt)}</span>}
      </p>
      {shown.length === 0 && <Empty>None of the questions is about a document of either version.</Empty>}
      {shown.map(({ name, group }) => (
        <figure key={name} class="figures sheet">
          <figcaption>
            <span>
              {groupNames[name]} <small>{plural(group.queries, 'question')}</small>
            </span>
            <BarsLegend />
          </figcaption>
          {measures.map((measure) => (
            <BeforeAfterBars
              key={measure}
              label={measure}
              note=""
              before={group.before[measure] ?? 0}
              after={group.after[measure] ?? 0}
            />
          ))}
          <p class="drift">
            At rank 1 before only: {number(group.onlyBefore)}; after only: {number(group.onlyAfter)}; p ={' '}
            {group.p < 0.001 ? group.p.toExponential(1) : group.p.toFixed(3)} (McNemar)
          </p>
        </figure>
      ))}
    </section>
  );
}

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { AnalysisView as Analysis, TaskView, TasksResponse } from '../../schemas.ts';
import { call, ended, query, Refusal, send } from '../client.ts';
import { valuesOf } from '../form.ts';
import { useLoad } from '../load.ts';
import { Empty, Wrong } from '../parts/notice.tsx';
import { TaskProgress } from '../parts/task-progress.tsx';
import { number, percent, when } from '../words.ts';

const stageNames = ['priming', 'bridging', 'interaction'] as const;

export function AnalysisView(): JSX.Element {
  const [task, setTask] = useState<TaskView>();
  const [error, setError] = useState<Error>();
  const latest = useLoad(async (signal) => {
    try {
      return await call<Analysis>('/analysis/latest', { signal });
    } catch (reason) {
      if (reason instanceof Refusal && reason.problem?.code === 'analysis_not_found') return null;
      throw reason;
    }
  }, []);
  const follow = async (begun: Promise<TaskView | undefined>): Promise<void> => {
    setError(undefined);
    try {
      const found = await begun;
      if (!found) return;
      await ended(found, setTask);
      latest.reload();
    } catch (reason) {
      setError(reason as Error);
    }
    setTask(undefined);
  };
  // One that was started before, here or by another program, is followed as well.
  useLoad(() => follow(running()), []);
  const start = (value: (name: string) => string): void =>
    void follow(
      call<TaskView>('/analysis', {
        method: 'POST',
        body: { ranking: value('ranking'), limit: Number(value('limit')) },
      }),
    );
  return (
    <>
      <h1 tabIndex={-1}>Analysis</h1>
      <p class="lead">Looks inside the model: where query information becomes docids, by which parts, and from what.</p>
      <Wrong error={error ?? latest.error} />
      <div aria-live="polite">
        {task && (
          <div class="sheet running">
            <TaskProgress task={task} />
            <button
              type="button"
              class="plain small"
              onClick={() => void call(`/tasks/${task.id}/cancel`, { method: 'POST' }).catch(setError)}
            >
              Cancel
            </button>
          </div>
        )}
      </div>
      {!task && (
        <form
          class="tools sheet"
          onSubmit={(event) => {
            event.preventDefault();
            start(valuesOf(event.currentTarget));
          }}
        >
          <label>
            Questions whose document is first{' '}
            <select name="ranking">
              <option value="vocabulary">in the whole vocabulary</option>
              <option value="docids">among docids</option>
            </select>
          </label>
          <label>
            at most <input class="short" name="limit" type="number" min="1" max="100000" defaultValue="400" required />
          </label>
          <button type="submit">Start an analysis</button>
        </form>
      )}
      {latest.data === null && !task && (
        <Empty>The model was not analysed here yet. An analysis takes a minute or some.</Empty>
      )}
      {latest.data && <Latest analysis={latest.data} />}
    </>
  );
}

async function running(): Promise<TaskView | undefined> {
  for (const state of ['running', 'queued']) {
    const { tasks } = await call<TasksResponse>(`/tasks${query({ kind: 'analysis', state, limit: 1 })}`);
    if (tasks[0]) return call<TaskView>(`/tasks/${tasks[0].id}`);
  }
  return undefined;
}

function Latest({ analysis }: { readonly analysis: Analysis }): JSX.Element {
  const { date, model, corpus, split, population, stages, findings, links } = analysis;
  return (
    <>
      <section class="sheet" aria-labelledby="latest">
        <div class="title">
          <h2 id="latest">Latest report</h2>
          <div class="actions">
            <button type="button" class="plain" onClick={() => void download(links.page)}>
              Download
            </button>
            <a class="button" href={links.page} target="_blank" rel="noopener">
              Open the report
            </a>
          </div>
        </div>
        <p class="facts">
          <span>{when(date)}</span>
          <span>
            model {model.name}, {number(model.documents)} documents
          </span>
          <span>
            {corpus}, {split} split
          </span>
          <span>
            {number(population.correct[population.ranking])} of {number(population.asked)} questions right (
            {percent(population.asked && population.correct[population.ranking] / population.asked)}),{' '}
            {number(population.questions)} looked at
          </span>
        </p>
        {stages && (
          <dl class="stages">
            {stageNames.map((name) => {
              const stage = stages[name];
              return (
                <div key={name} class={stage ? '' : 'none'}>
                  <dt>{name}</dt>
                  <dd>{stage ? layersOf(stage) : 'none'}</dd>
                </div>
              );
            })}
          </dl>
        )}
      </section>
      <section aria-labelledby="findings">
        <h2 id="findings">Findings</h2>
        {Object.entries(findings).map(([section, sentences]) => (
          <details key={section} class="finding">
            <summary>{section}</summary>
            <ul>
              {sentences.map((sentence) => (
                <li>{sentence}</li>
              ))}
            </ul>
          </details>
        ))}
      </section>
    </>
  );
}

const layersOf = ({ from, to, confidence }: { from: number; to: number; confidence: number }): string =>
  `${to - from === 1 ? `layer ${from}` : `layers ${from}–${to - 1}`} (${percent(confidence)} of resamples)`;

/** Also where the report needs a key, which a link cannot bring along. */
async function download(path: string): Promise<void> {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await (await send(path)).blob());
  link.download = 'analysis.html';
  link.click();
  URL.revokeObjectURL(link.href);
}

import type { JSX } from 'preact';
import type { EditsResponse } from '../../edit-schemas.ts';
import type { HealthResponse, InfoResponse, TasksResponse } from '../../schemas.ts';
import { call } from '../client.ts';
import { useKey } from '../key.ts';
import { useEvery, useLoad } from '../load.ts';
import { Wrong } from '../parts/notice.tsx';
import { to } from '../router.ts';
import { bytes, number, percent, share } from '../words.ts';

export function StatusView(): JSX.Element {
  const hasKey = useKey() !== null;
  const health = useLoad(readiness, []);
  const info = useLoad((signal) => call<InfoResponse>('/info', { signal }), []);
  const tasks = useLoad((signal) => call<TasksResponse>('/tasks?state=running&limit=0', { signal }), []);
  const last = useLoad(
    async (signal) => (hasKey ? (await call<EditsResponse>('/edits?limit=1', { signal })).edits[0] : undefined),
    [hasKey],
  );
  useEvery(10_000, true, health.reload);
  const { model, corpus, editSeq, runtime, version } = info.data ?? {};
  const figures = last.data?.figures;
  return (
    <>
      <h1 tabIndex={-1}>Status</h1>
      <Wrong error={health.error ?? info.error} />
      <dl class="cards">
        <Card name="Server" value={health.data ?? '…'} tone={health.data === 'ready' ? 'good' : 'bad'}>
          {version && `palimpsest ${version}`}
        </Card>
        {corpus && model && (
          <Card name="Documents" value={number(corpus.documents)}>
            <a href={to(['documents'])}>{corpus.name}</a>, {number(model.liveDocids)} in the model
          </Card>
        )}
        {editSeq !== undefined && (
          <Card name="Edits" value={number(editSeq)}>
            <a href={to(['edits'])}>History</a>
          </Card>
        )}
        {tasks.data && (
          <Card name="Tasks" value={tasks.data.total === 0 ? 'none running' : `${number(tasks.data.total)} running`}>
            <a href={to(['tasks'])}>All tasks</a>
          </Card>
        )}
        {figures && (
          <Card name="Drift" value={figures.drift.after.toFixed(4)}>
            ‖ΔW‖/‖W‖ after the last edit
          </Card>
        )}
        {figures && figures.canaries.count > 0 && (
          <Card name="Canaries" value={share(figures.canaries.after)}>
            Success@1 of old documents after the last edit
          </Card>
        )}
        {!hasKey && info.data && (
          <Card name="Drift" value="–">
            <a href={to(['keys'])}>Enter a key</a> to see what edits did
          </Card>
        )}
      </dl>
      {model && runtime && corpus && (
        <section class="sheet" aria-labelledby="model">
          <h2 id="model">Model</h2>
          <dl class="fields">
            <dt>Name</dt>
            <dd>{model.name}</dd>
            <dt>Version</dt>
            <dd>
              <code>{model.version}</code>
            </dd>
            <dt>Docids</dt>
            <dd>
              {model.scheme}; {number(model.docids)} in the base model
            </dd>
            <dt>Size</dt>
            <dd>
              {number(model.parameters)} parameters, {bytes(model.sizeBytes)}
            </dd>
            <dt>Circuit</dt>
            <dd>
              {model.circuit
                ? `${model.circuit.kept} of ${model.circuit.components} components answer; ${percent(model.circuit.loss.searched.mean)} of the questions lost`
                : 'none: all of the decoder answers'}
            </dd>
            <dt>Runtime</dt>
            <dd>
              Node {runtime.node}, onnxruntime {runtime.onnxruntime}
            </dd>
          </dl>
        </section>
      )}
    </>
  );
}

/** A server that is not ready answers 503, and says what it is instead. */
async function readiness(signal: AbortSignal): Promise<string> {
  const response = await fetch('/readyz', { signal }).catch(() => {
    throw new Error('The server cannot be reached.');
  });
  return ((await response.json()) as HealthResponse).status;
}

function Card(props: {
  readonly name: string;
  readonly value: string;
  readonly tone?: 'good' | 'bad';
  readonly children?: preact.ComponentChildren;
}): JSX.Element {
  const { name, value, tone, children } = props;
  return (
    <div class="card">
      <dt>{name}</dt>
      <dd class={`value ${tone ?? ''}`}>{value}</dd>
      <dd class="note">{children}</dd>
    </div>
  );
}

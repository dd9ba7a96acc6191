import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useId, useRef, useState } from 'preact/hooks';
import type { EditOutcome } from '../../../editing/operations.ts';
import type { EditFigures } from '../../../editing/gate.ts';
import type { TaskView } from '../../schemas.ts';
import { Refusal, idempotencyKey, type EditWish } from '../client.ts';
import { duration, share } from '../words.ts';
import { Dialog } from './dialog.tsx';
import { Figures } from './figures.tsx';
import { Wrong } from './notice.tsx';
import { TaskProgress } from './task-progress.tsx';

export type EditRun = (wish: EditWish) => Promise<EditOutcome>;

type Phase = 'measuring' | 'asking' | 'editing';

/**
 * Measures what an edit would do, shows it, and makes the edit once that is confirmed.
 *
 * @param run      sends the edit, or with `dryRun` asks what would come of it
 * @param budgets  whether the edit takes a budget; to take something back does not
 * @param options  shown above the figures; a change of `inputs` measures again
 */
export function EditDialog(props: {
  readonly title: string;
  readonly confirm: string;
  readonly run: EditRun;
  readonly onDone: (outcome: EditOutcome) => void;
  readonly onClose: () => void;
  readonly budgets?: boolean;
  readonly danger?: boolean;
  readonly options?: ComponentChildren;
  readonly inputs?: readonly unknown[];
}): JSX.Element {
  const { title, confirm, run, onDone, onClose, budgets = true, danger = false, options, inputs = [] } = props;
  const [phase, setPhase] = useState<Phase>('measuring');
  const [outcome, setOutcome] = useState<EditOutcome>();
  const [refused, setRefused] = useState<EditFigures>();
  const [error, setError] = useState<Error>();
  const [task, setTask] = useState<TaskView>();
  const [budget, setBudget] = useState<number>();
  const controller = useRef<AbortController>(undefined);
  const name = useRef('');
  const field = useId();

  const begin = useCallback((next: Phase): AbortSignal => {
    controller.current?.abort();
    controller.current = new AbortController();
    setPhase(next);
    setError(undefined);
    setTask(undefined);
    setRefused(undefined);
    return controller.current.signal;
  }, []);

  const measure = (allowed: number | undefined): void => {
    const signal = begin('measuring');
    name.current = idempotencyKey(); // another budget makes another request
    run({ dryRun: true, budget: allowed, signal, onProgress: setTask })
      .then(setOutcome, (reason: Error) => {
        setOutcome(undefined);
        if (!signal.aborted) setError(reason);
      })
      .finally(() => !signal.aborted && setPhase('asking'));
  };
  useEffect(() => {
    measure(budget);
    return () => controller.current?.abort();
  }, inputs);

  const make = (): void => {
    const signal = begin('editing');
    const headers = { 'idempotency-key': name.current };
    run({ budget, signal, onProgress: setTask, headers }).then(onDone, (reason: Error) => {
      if (signal.aborted) return;
      setError(reason);
      setRefused(reason instanceof Refusal ? reason.problem?.figures : undefined);
      setPhase('asking');
    });
  };

  const busy = phase !== 'asking';
  return (
    <Dialog title={title} onClose={onClose}>
      {options}
      <div aria-live="polite">
        {busy && <p>{phase === 'measuring' ? 'Measuring what it would do …' : 'Editing …'}</p>}
        {busy && task && <TaskProgress task={task} />}
        {outcome && !refused && <Figures figures={outcome.figures} />}
        {refused && <Figures figures={refused} />}
        {!busy && outcome && !error && <Verdict outcome={outcome} />}
      </div>
      <Wrong error={error} />
      {budgets && (
        <form
          class="budget"
          onSubmit={(event) => {
            event.preventDefault();
            measure(budget);
          }}
        >
          <label for={field}>Largest fall of old documents to accept</label>
          <input
            id={field}
            type="number"
            min="0"
            max="1"
            step="any"
            placeholder={typeof outcome?.budget === 'number' ? share(outcome.budget) : 'any'}
            value={budget ?? ''}
            onInput={({ currentTarget }) =>
              setBudget(currentTarget.value === '' ? undefined : Number(currentTarget.value))
            }
          />
          <button type="submit" class="plain" disabled={busy}>
            Measure again
          </button>
        </form>
      )}
      <div class="actions">
        <button type="button" class="plain" onClick={onClose}>
          Cancel
        </button>
        <button type="button" class={danger ? 'danger' : ''} disabled={busy || !outcome?.accepted} onClick={make}>
          {confirm}
        </button>
      </div>
    </Dialog>
  );
}

function Verdict({ outcome: { accepted, budget, figures, seconds } }: { readonly outcome: EditOutcome }): JSX.Element {
  const fall = Math.max(0, figures.canaries.before - figures.canaries.after);
  const limit = budget === null ? 'any fall is accepted' : `a fall of ${share(budget)} is accepted`;
  return (
    <p class={`notice ${accepted ? 'good' : 'bad'}`}>
      {accepted ? 'Within the budget' : 'Over the budget'}: old documents lose {share(fall)}, {limit}. Measured in{' '}
      {duration(seconds)}; nothing is changed yet.
    </p>
  );
}

import type { JSX } from 'preact';
import type { TaskSummary } from '../../tasks/task.ts';
import { duration } from '../words.ts';

/** How far a task has come; a bar without an end where it has not said. */
export function TaskProgress({
  task: { kind, state, progress },
}: {
  readonly task: Pick<TaskSummary, 'kind' | 'state' | 'progress'>;
}): JSX.Element {
  const bar =
    progress && progress.total > 0 ? (
      <progress aria-label={`Progress of the ${kind}`} value={progress.done} max={progress.total} />
    ) : (
      <progress aria-label={`Progress of the ${kind}`} />
    );
  return (
    <div class="task-progress">
      {bar}
      <span>
        {progress?.message ?? state}
        {typeof progress?.secondsLeft === 'number' && ` · about ${duration(progress.secondsLeft)} left`}
      </span>
    </div>
  );
}

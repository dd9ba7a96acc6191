import type { Response } from 'express';
import type { Task } from './task.ts';

/** Answers 202 with a task, and says where to ask for it. */
export function accepted(response: Response, task: Task): Task {
  response.status(202).location(`/tasks/${task.id}`);
  return task;
}

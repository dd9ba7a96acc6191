import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import type { Request } from 'express';
import type { RunOptions } from '../editing/editor.ts';
import type { EditOutcome } from '../editing/operations.ts';
import { ValidationError } from './http-error.ts';
import { actorOf } from './audit/actor.ts';
import type { Call } from './route.ts';
import { accepted } from './tasks/accepted.ts';
import type { Report, Task } from './tasks/task.ts';

/** What the caller says of itself, for the log of edits. */
export interface Asker {
  readonly author: string;
  readonly requestId: string;
  /** Where the caller gave none, one of this request alone: its task finds by it what became of the edit. */
  readonly idempotencyKey: string;
}

/** @throws ValidationError */
export function askerOf(call: Pick<Call<unknown, unknown>, 'request' | 'response' | 'caller'>): Asker {
  const locals = call.response.locals as { idempotencyKey?: string };
  const idempotencyKey = (locals.idempotencyKey ??= idempotencyKeyOf(call.request) ?? randomUUID());
  const { name, requestId } = actorOf(call);
  return { author: name, requestId, idempotencyKey };
}

export function idempotencyKeyOf(request: Request): string | undefined {
  const key = request.get('idempotency-key');
  if (key === undefined || /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  const message = `expected 1 to 200 visible ASCII characters without spaces, got ${key.length} characters`;
  throw new ValidationError([{ path: 'Idempotency-Key', message }]);
}

/**
 * Answers with the outcome of an edit, or, where that takes longer than the caller waits, with a task that goes on.
 *
 * @param input    what the task shows of the request: no texts, since tasks are kept
 * @param outcome  sets the headers and the status of an edit that was made
 */
export async function answerEdit(
  call: Call<{ readonly wait: number }, unknown>,
  input: object,
  edit: (options: RunOptions) => Promise<EditOutcome>,
  outcome: (made: EditOutcome) => void = () => {},
): Promise<EditOutcome | Task> {
  const { state, response, query } = call;
  const { wait } = query;
  const { idempotencyKey } = askerOf(call);
  const controller = new AbortController();
  let last: Report | undefined;
  let listen: (report: Report) => void = (report) => (last = report);
  const running = edit({ signal: controller.signal, onProgress: (report) => listen(report) });
  const timer = new AbortController();
  const { signal } = timer;
  const late = (wait ? delay(wait * 1000, undefined, { signal }) : nextTurn()).catch(() => undefined);
  const made = await Promise.race([running, late]).finally(() => timer.abort());
  if (made) {
    outcome(made);
    return made;
  }
  const work = (_: AbortSignal, report: (progress: Report) => void): Promise<EditOutcome> => {
    if (last) report(last);
    listen = report;
    return running;
  };
  running.catch(() => undefined); // The task tells it.
  return accepted(response, state.tasks.adopt('edit', { ...input, idempotencyKey }, work, controller));
}

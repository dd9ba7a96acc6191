import { PalimpsestError } from './error.ts';
import { readLines } from './import.ts';
import { dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type { ImportLine, Parameters, Task, TasksResponse } from './types.ts';

export interface WaitOptions extends CallOptions {
  /** Told of the task each second or so until its end, and then. */
  readonly onProgress?: ((task: Task) => void) | undefined;
}

/** Seconds that one request waits: few where somebody wants to see the progress. */
export const patience = ({ onProgress }: WaitOptions): number => (onProgress ? 1 : 30);

/** Long work of the server. */
export class Tasks {
  private readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Newest first, without results. @throws PalimpsestError */
  list(query: Parameters<'get_tasks'> = {}, options: CallOptions = {}): Promise<TasksResponse> {
    return dataOf(this.transport.api.GET('/tasks', { params: { query }, ...withSignal(options) }));
  }

  /** @throws PalimpsestError */
  get(id: number, options: CallOptions = {}): Promise<Task> {
    return this.look(id, 0, options);
  }

  /** A task at its end, whatever that was. @throws PalimpsestError */
  async wait(id: number, options: WaitOptions = {}): Promise<Task> {
    for (let seconds = 0; ; seconds = patience(options)) {
      const task = await this.look(id, seconds, options);
      options.onProgress?.(task);
      if (task.finishedAt !== null) return task;
    }
  }

  /**
   * The result of a task, waited for.
   *
   * @throws PalimpsestError  code of what it failed for, `cancelled`, or `interrupted`
   */
  async result(id: number, options: WaitOptions = {}): Promise<unknown> {
    const { state, error, result, kind } = await this.wait(id, options);
    if (state === 'succeeded') return result;
    const { code = state, message = `task ${id} (${kind}): expected a result, got one that was ${state}` } =
      error ?? {};
    throw new PalimpsestError({ status: 0, code, detail: message, instance: `/tasks/${id}` });
  }

  /** One that runs stops soon: `wait` tells when. @throws PalimpsestError */
  cancel(id: number, options: CallOptions = {}): Promise<Task> {
    const init = { params: { path: { id: String(id) } }, ...withSignal(options) };
    return dataOf(this.transport.api.POST('/tasks/{id}/cancel', init));
  }

  /** What became of each line of an import, as far as its task has come. @throws PalimpsestError */
  async *results(
    id: number,
    query: Parameters<'get_tasks_id_results'> = {},
    options: CallOptions = {},
  ): AsyncGenerator<ImportLine, void, undefined> {
    const init = { params: { path: { id: String(id) }, query }, parseAs: 'stream' as const, ...withSignal(options) };
    const body = await dataOf(this.transport.api.GET('/tasks/{id}/results', init));
    if (body) yield* readLines(body);
  }

  private look(id: number, wait: number, options: CallOptions): Promise<Task> {
    const params = { path: { id: String(id) }, query: { wait } };
    return dataOf(this.transport.api.GET('/tasks/{id}', { params, ...withSignal(options) }));
  }
}

import type { Tasks, WaitOptions } from './tasks.ts';
import { dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type { Snapshot } from './types.ts';

/** Copies of the data folder, taken while it is used; needs a key of scope admin. */
export class Snapshots {
  private readonly transport: Transport;
  private readonly tasks: Tasks;

  constructor(transport: Transport, tasks: Tasks) {
    this.transport = transport;
    this.tasks = tasks;
  }

  /** Newest first. @throws PalimpsestError */
  async list(options: CallOptions = {}): Promise<Snapshot[]> {
    return (await dataOf(this.transport.api.GET('/snapshots', withSignal(options)))).snapshots;
  }

  /** Takes one, and waits for it. @param keep  all but the newest so many are removed then @throws PalimpsestError */
  async create({ keep, ...options }: WaitOptions & { readonly keep?: number } = {}): Promise<Snapshot> {
    const params = { query: keep === undefined ? {} : { keep } };
    const { id } = await dataOf(this.transport.api.POST('/snapshots', { params, ...withSignal(options) }));
    return (await this.tasks.result(id, options)) as Snapshot;
  }

  /** @throws PalimpsestError */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    const init = { params: { path: { name } }, ...withSignal(options) };
    await dataOf(this.transport.api.DELETE('/snapshots/{name}', init));
  }
}

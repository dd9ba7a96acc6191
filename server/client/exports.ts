import type { Tasks, WaitOptions } from './tasks.ts';
import { dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type { Export } from './types.ts';

/** Plain model folders with all edits in their weights; needs a key of scope admin. */
export class Exports {
  private readonly transport: Transport;
  private readonly tasks: Tasks;

  constructor(transport: Transport, tasks: Tasks) {
    this.transport = transport;
    this.tasks = tasks;
  }

  /** Newest first. @throws PalimpsestError */
  async list(options: CallOptions = {}): Promise<Export[]> {
    return (await dataOf(this.transport.api.GET('/exports', withSignal(options)))).exports;
  }

  /** Writes one, and waits for it. @param name  the time where left out @throws PalimpsestError */
  async create(name?: string, options: WaitOptions = {}): Promise<Export> {
    const body = name === undefined ? {} : { name };
    const { id } = await dataOf(this.transport.api.POST('/exports', { body, ...withSignal(options) }));
    return (await this.tasks.result(id, options)) as Export;
  }

  /** The bytes of one of its files, as they come. @throws PalimpsestError */
  async file(name: string, file: string, options: CallOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const init = { params: { path: { name, file } }, parseAs: 'stream' as const, ...withSignal(options) };
    return (await dataOf(this.transport.api.GET('/exports/{name}/{file}', init))) ?? new Blob([]).stream();
  }

  /** @throws PalimpsestError */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    const init = { params: { path: { name } }, ...withSignal(options) };
    await dataOf(this.transport.api.DELETE('/exports/{name}', init));
  }
}

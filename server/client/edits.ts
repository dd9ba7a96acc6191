import { editParams, outcomeOf, type EditOptions } from './edit-call.ts';
import type { Tasks } from './tasks.ts';
import { dataOf, withSignal, type CallOptions, type Transport } from './transport.ts';
import type { Edit, EditOutcome, EditsResponse, Parameters } from './types.ts';

/** The history of the model. */
export class Edits {
  private readonly transport: Transport;
  private readonly tasks: Tasks;

  constructor(transport: Transport, tasks: Tasks) {
    this.transport = transport;
    this.tasks = tasks;
  }

  /** Newest first. @throws PalimpsestError */
  list(query: Parameters<'get_edits'> = {}, options: CallOptions = {}): Promise<EditsResponse> {
    return dataOf(this.transport.api.GET('/edits', { params: { query }, ...withSignal(options) }));
  }

  /** @throws PalimpsestError */
  get(seq: number, options: CallOptions = {}): Promise<Edit> {
    const init = { params: { path: { seq: String(seq) } }, ...withSignal(options) };
    return dataOf(this.transport.api.GET('/edits/{seq}', init));
  }

  /** Takes one edit back, to the byte, also in the middle of the history. @throws PalimpsestError */
  undo(seq: number, options: EditOptions = {}): Promise<EditOutcome> {
    const init = { params: { path: { seq: String(seq) }, ...editParams(options) }, ...withSignal(options) };
    return outcomeOf(dataOf(this.transport.api.POST('/edits/{seq}/undo', init)), this.tasks, options);
  }

  /** Takes back all edits after one; 0 takes back all there are. @throws PalimpsestError */
  revert(to: number, options: EditOptions = {}): Promise<EditOutcome> {
    const init = { params: editParams(options), body: { to }, ...withSignal(options) };
    return outcomeOf(dataOf(this.transport.api.POST('/edits/revert', init)), this.tasks, options);
  }
}

import type { Call } from '../route.ts';
import type { EventAction } from './actions.ts';
import { actorOf } from './actor.ts';
import { AuditLog } from './audit-log.ts';

type Caller = Pick<Call<unknown, unknown>, 'state' | 'caller' | 'response'>;

/** Notes who did something, in the transaction of what is done. */
export const note = (call: Caller, action: EventAction, subject: string, details?: object): void =>
  new AuditLog(call.state.index.store).write(actorOf(call), action, subject, details);

/** The same of a task, for those who start one. */
export const noteStart =
  (call: Caller, action: EventAction, details?: object) =>
  ({ id }: { readonly id: number }): void =>
    note(call, action, String(id), details);

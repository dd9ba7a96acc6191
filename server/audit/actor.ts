import type { Call } from '../route.ts';
import type { Actor } from './audit-log.ts';

/** Who sent a request. */
export interface Sender extends Actor {
  readonly requestId: string;
}

/** Who calls an operation that needs a key. */
export function actorOf({ caller, response }: Pick<Call<unknown, unknown>, 'caller' | 'response'>): Sender {
  return { name: caller!.name, requestId: String(response.getHeader('x-request-id')) };
}

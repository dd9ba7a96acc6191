import type { Call } from '../route.ts';
import type { Actor } from './audit-log.ts';

/** Who calls an operation that needs a key. */
export function actorOf({ caller, response }: Pick<Call<unknown, unknown>, 'caller' | 'response'>): Actor {
  return { name: caller!.name, requestId: String(response.getHeader('x-request-id')) };
}

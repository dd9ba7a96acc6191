import type { EventAction } from '../audit/actions.ts';
import { note } from '../audit/noted.ts';
import { operation, type Operation } from '../route.ts';

/** Removes what lies in the data folder under the name in the path. */
export const removal = (
  summary: string,
  action: EventAction,
  remove: (dataDir: string, name: string) => void,
): Operation =>
  operation({
    summary,
    access: 'admin',
    responses: { 204: { description: 'It is gone' } },
    problems: [404, 503],
    handle(call): undefined {
      const { state, request, response } = call;
      const name = String(request.params.name);
      state.index.store.transaction(() => {
        note(call, action, name);
        remove(state.dataDir, name);
      });
      response.status(204);
    },
  });

import { AuditLog } from '../audit/audit-log.ts';
import * as schemas from '../audit/audit-schemas.ts';
import { operation, type Route } from '../route.ts';

export const auditRoute: Route = {
  path: '/audit',
  operations: {
    get: operation({
      summary: 'Who did what, newest first',
      description:
        'Edits with what they did to Success@1, and beside them: keys made, rotated and revoked, all other tasks begun and ' +
        'cancelled, snapshots and exports removed. Nothing is ever taken out of it.',
      access: 'admin',
      query: schemas.auditParameters,
      responses: { 200: { description: 'The entries', schemas: [schemas.auditResponse] } },
      problems: [503],
      handle: ({ state, query }): schemas.AuditResponse => ({ entries: new AuditLog(state.index.store).list(query) }),
    }),
  },
};

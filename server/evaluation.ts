import { dirname } from 'node:path';
import type { JudgedQuery, Split } from '../corpus/documents.ts';
import { compareInProcess } from '../editing/compare-process.ts';
import { EditLog } from '../editing/edit-log.ts';
import type { Evaluation, EvaluationRequest } from './edit-schemas.ts';
import { ValidationError } from './http-error.ts';
import type { IndexService } from './index-service.ts';
import type { Work } from './tasks/registry.ts';

const bySize: readonly Split[] = ['test', 'dev', 'train'];

/**
 * The work of comparing the index after two edits, checked as far as can be without a model.
 *
 * @throws UnknownEditError, ValidationError
 */
export function evaluationWork(index: IndexService, request: EvaluationRequest): Work {
  const log = new EditLog(index.documents);
  const { before = log.folded, after = index.editSeq } = request;
  for (const seq of [before, after]) if (seq > 0) log.edit(seq);
  const { split, queries } = queriesOf(index, request);
  const path = index.store.database.name;
  const setup = { modelDir: index.model.dir, path, dataDir: dirname(path), before, after, queries };
  return async (signal, report): Promise<Evaluation> => {
    const { groups, ...versions } = await compareInProcess(setup, signal, report);
    return { split, ...versions, groups };
  };
}

function queriesOf(
  { documents: store }: IndexService,
  { split, queries }: EvaluationRequest,
): { split: Split | null; queries: readonly JudgedQuery[] } {
  if (queries) {
    queries.forEach(({ relevant }, i) => {
      const unknown = relevant.find((docid) => !store.has(docid));
      if (unknown === undefined) return;
      const message = `expected docids of this corpus, got '${unknown}'`;
      throw new ValidationError([{ path: `queries[${i}].relevant`, message }]);
    });
    return { split: null, queries: queries.map(({ query, relevant }, i) => ({ id: `${i}`, text: query, relevant })) };
  }
  for (const name of split ? [split] : bySize) {
    const judged = store.queries(name);
    if (judged.length > 0) return { split: name, queries: judged };
  }
  const message = `expected a split with judged queries, got ${split ?? 'a corpus without any'}; give queries`;
  throw new ValidationError([{ path: 'split', message }]);
}

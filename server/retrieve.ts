import type { Constraint } from '../corpus/constraints.ts';
import type { Document } from '../corpus/documents.ts';
import type { MetadataFilter } from '../corpus/filter.ts';
import type { AnyExplanation } from '../analysis/explanation.ts';
import type { Scored } from '../analysis/fusion.ts';
import type { IndexService } from './index-service.ts';
import { documentView } from './document-view.ts';
import { limits } from './limits.ts';
import type { Candidate, RetrieveBatchResponse, RetrieveRequest, RetrieveResponse } from './schemas.ts';

/** Answers a checked request; the server and the command line say the same words. @throws as IndexService.search */
export async function retrieve(
  index: IndexService,
  request: RetrieveRequest,
): Promise<RetrieveResponse | RetrieveBatchResponse> {
  const start = performance.now();
  const queries = request.queries ?? [request.query!];
  const { k, mode, beams, includeDocument } = request;
  const constraint = constraintOf(request);
  const { lists, documents, explanations, editSeq } = await index.search({
    queries,
    k,
    mode,
    beams,
    constraint,
    documents: includeDocument,
    ...(request.explain && { explained: limits.explained }),
  });
  const results = lists.map((list, i) => ({
    query: { text: queries[i] },
    candidates: list.map((scored, j) =>
      candidate(request, scored, documents.get(scored.docid), j, explanations[i]?.[j]),
    ),
  }));
  const tookMs = Math.round((performance.now() - start) * 1000) / 1000;
  const rest = { modelVersion: index.model.version, editSeq, tookMs };
  return request.queries ? { results, ...rest } : { ...results[0], ...rest };
}

function constraintOf({ filter, allow, deny }: RetrieveRequest): Constraint {
  return {
    // The corpus checks what is inside, and says where it is wrong.
    ...(filter !== undefined && { filter: filter as MetadataFilter }),
    ...(allow && { allow }),
    ...(deny && { deny }),
  };
}

function candidate(
  request: RetrieveRequest,
  { docid, score }: Scored,
  document: Document | undefined,
  position: number,
  explanation: AnyExplanation | undefined,
): Candidate {
  return {
    docid,
    rank: position + 1,
    ...(request.includeScores && { score }),
    ...(document && { document: documentView(document) }),
    ...(explanation && ('steps' in explanation ? { pathExplanation: explanation } : { explanation })),
  };
}

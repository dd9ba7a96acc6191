import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Store } from '../../corpus/store.ts';
import { importedFingerprint } from '../fingerprint.ts';
import { limits } from '../limits.ts';
import { packageVersion } from '../paths.ts';
import type { ReplicaStatus } from '../replication/replica.ts';
import { operation, type Route } from '../route.ts';
import { infoResponse, type InfoResponse } from '../schemas.ts';

export const infoRoute: Route = {
  path: '/info',
  operations: {
    get: operation({
      summary: 'What this server is: versions, model, corpus, limits',
      access: 'search',
      responses: { 200: { description: 'Facts', schemas: [infoResponse] } },
      problems: [503],
      handle({ state }): InfoResponse {
        const { model, documents: store, corpusName, editSeq, liveRows, rowSearch } = state.index;
        return {
          name: 'palimpsest',
          version: packageVersion,
          model: {
            name: model.name,
            version: model.version,
            scheme: model.scheme,
            parameters: model.parameters,
            sizeBytes: model.sizeBytes,
            docids: model.docids.size,
            liveDocids: liveRows,
            corpusFingerprint: model.corpusFingerprint,
            circuit: model.circuit,
            rows: rowSearch,
          },
          corpus: {
            name: corpusName,
            documents: store.count(),
            fingerprint: importedFingerprint(store),
            categories: categories(store),
          },
          editSeq,
          role: state.sharing?.replica.role ?? 'all',
          replica: state.sharing ? replicaView(state.sharing.replica.status) : null,
          runtime: { node: process.versions.node, onnxruntime: onnxruntimeVersion() },
          limits,
        };
      },
    }),
  },
};

function replicaView({ connected, edits, streamSeq, lagEdits, lagSeconds }: ReplicaStatus): InfoResponse['replica'] {
  return { connected, edits, streamSeq, lagEdits, lagSeconds };
}

/** More categories than a person can choose from are cut off. */
const maxCategories = 200;

function categories(store: Store): string[] {
  return store.database
    .prepare(
      `SELECT DISTINCT metadata ->> '$.category' AS category FROM documents
        WHERE state = 'live' AND json_type(metadata, '$.category') = 'text' ORDER BY category LIMIT ${maxCategories}`,
    )
    .pluck()
    .all() as string[];
}

/** Read from the package, since loading the library here would cost this thread memory it has no use for. */
function onnxruntimeVersion(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  const file = join(dirname(dirname(entry)), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

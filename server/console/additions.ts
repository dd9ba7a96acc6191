import type { EditOutcome } from '../../editing/operations.ts';
import { edit, Refusal, send } from './client.ts';
import type { ReadFile } from './document-file.ts';

type Documents = ReadFile['documents'];

export interface Additions {
  /** Of the documents that can be added, as one edit; undefined where there are none. */
  readonly outcome: EditOutcome | undefined;
  readonly refused: readonly { readonly line: number; readonly message: string }[];
}

/** What adding these documents would do. Those that cannot be added are told, and left out of the figures. @throws Refusal */
export async function measureAdditions(documents: Documents): Promise<Additions> {
  const refused: { line: number; message: string }[] = [];
  let left = documents;
  while (left.length > 0) {
    try {
      const operations = left.map(({ document }) => ({ kind: 'add', document }));
      return { outcome: await edit('/documents', { dryRun: true, body: { operations } }), refused };
    } catch (error) {
      const faults = await faultsOf(left, error);
      if (faults.size === 0) throw error;
      left.forEach(({ line }, i) => faults.has(i) && refused.push({ line, message: faults.get(i)! }));
      left = left.filter((_, i) => !faults.has(i));
    }
  }
  return { outcome: undefined, refused };
}

/** What is wrong with which of the documents, as far as the refusal tells. */
async function faultsOf(documents: Documents, error: unknown): Promise<Map<number, string>> {
  const faults = new Map<number, string>();
  const problem = error instanceof Refusal ? error.problem : undefined;
  for (const { path, message } of problem?.errors ?? []) {
    const [, index, field] = /^operations\[(\d+)\]\.(?:document\.)?(.*)$/.exec(path) ?? [];
    if (index !== undefined) faults.set(Number(index), `${field}: ${message}`);
  }
  if (problem?.code !== 'docid_taken') return faults;
  const found = documents.map(({ document: { docid } }) =>
    send(`/documents/${encodeURIComponent(docid)}`, { method: 'HEAD' }).then(
      () => true,
      () => false,
    ),
  );
  (await Promise.all(found)).forEach(
    (isTaken, i) => isTaken && faults.set(i, `${documents[i].document.docid}: a document has this docid`),
  );
  return faults;
}

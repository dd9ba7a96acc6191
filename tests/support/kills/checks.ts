/** What must be true of a server that was killed and started again, while its load waits. */
import assert from 'node:assert/strict';
import type { Rng } from '../../../corpus/random.ts';
import type { EditsResponse, EditView } from '../../../server/edit-schemas.ts';
import { modes } from '../../../server/index-service.ts';
import type {
  DocumentsResponse,
  DocumentView,
  RetrieveBatchResponse,
  RetrieveResponse,
  TasksResponse,
  TaskView,
} from '../../../server/schemas.ts';
import { texts } from '../tiny-model.ts';
import type { EditingClient } from './editing-client.ts';
import type { ImportClient } from './import-client.ts';
import { ask, type Asked } from './killed-server.ts';
import type { AcknowledgedEdits } from './log.ts';

async function read<T>(url: string, asked: Asked): Promise<T> {
  const { status, body } = await ask<T>(url, asked);
  assert.equal(status, 200, `${asked.path}: ${JSON.stringify(body)}`);
  return body;
}

/** Edits behind `after`, oldest first. */
export async function editsBehind(url: string, after: number): Promise<EditView[]> {
  const edits: EditView[] = [];
  for (let before = 999_999_999; before > after + 1;) {
    const page = await read<EditsResponse>(url, { path: `/edits?limit=1000&before=${before}` });
    edits.push(...page.edits.filter(({ seq }) => seq > after));
    before = page.edits.at(-1)?.seq ?? 0;
  }
  return edits.reverse();
}

/** Texts of all live documents, by docid. */
export async function documentsOf(url: string): Promise<Map<string, string>> {
  const documents = new Map<string, string>();
  for (let offset = 0; ; offset += 100) {
    const page = await read<DocumentsResponse>(url, { path: `/documents?limit=100&offset=${offset}` });
    for (const { docid, text } of page.documents) documents.set(docid, text);
    if (page.documents.length < 100) return documents;
  }
}

/** No task of a process that is dead is still said to run, but imports, which go on. */
export async function checkTasks(url: string): Promise<void> {
  for (const state of ['queued', 'running']) {
    const { tasks } = await read<TasksResponse>(url, { path: `/tasks?state=${state}` });
    assert.deepEqual(
      tasks.filter(({ kind }) => kind !== 'import'),
      [],
      `no task is ${state}`,
    );
  }
}

/**
 * The log has every edit that was acknowledged, as it was asked for.
 *
 * @param after  the last edit that was checked before
 */
export async function checkLog(url: string, log: AcknowledgedEdits, after: number): Promise<void> {
  const edits = new Map((await editsBehind(url, after)).map((edit) => [edit.seq, edit]));
  for (const seq of log.bySeq.keys()) {
    if (seq <= after) continue;
    assert.ok(edits.has(seq), `edit ${seq} was acknowledged and is not there`);
    log.check(edits.get(seq)!);
  }
}

/** Documents are as acknowledged edits left them, of an edit under way all or nothing; the model answers with all of them. */
export async function checkDocuments(
  url: string,
  editors: readonly EditingClient[],
  imports: ImportClient,
): Promise<void> {
  const documents = await documentsOf(url);
  for (const editor of editors) {
    const found = [...documents].filter(([docid]) => editor.isMine(docid)).sort();
    const [before, after] = editor.expected.map((corpus) => [...corpus]);
    const state = editor.task && (await read<TaskView>(url, { path: `/tasks/${editor.task}` })).state;
    if (!after || state === 'interrupted') assert.deepEqual(found, before);
    else if (state === 'succeeded') assert.deepEqual(found, after);
    else if (JSON.stringify(found) !== JSON.stringify(before)) assert.deepEqual(found, after);
  }
  for (const docid of imports.added) assert.ok(documents.has(docid), `${docid} was imported`);
  for (const [docid, text] of documents)
    if (imports.isMine(docid)) assert.equal(text, imports.touched.get(docid), `${docid} may be there`);
  const all = [...documents.keys()].filter((docid) => !imports.isMine(docid)); // of those, more may come meanwhile
  const body = { query: texts[0], k: 1000, includeDocument: true };
  const { candidates } = await read<RetrieveResponse>(url, { method: 'POST', path: '/retrieve', body });
  const found = candidates.filter(({ docid }) => !imports.isMine(docid));
  assert.deepEqual(found.map(({ docid }) => docid).sort(), all.sort(), 'each document has a row, each row a document');
  for (const { docid, document } of found) assert.equal(document!.text, documents.get(docid));
  for (const docid of all.slice(0, 3)) {
    const { text } = await read<DocumentView>(url, { path: `/documents/${encodeURIComponent(docid)}` });
    assert.equal(text, documents.get(docid));
  }
}

/** An edit that is asked for again under its key is answered as it was. */
export async function checkRepeats(url: string, log: AcknowledgedEdits, rng: Rng, count = 3): Promise<void> {
  const made = [...log.bySeq.values()].filter(({ asked }) => asked);
  const drawn = Array.from({ length: count }, () => made[rng.int(made.length)]);
  for (const { seq, asked, answer } of made.length ? [...new Set([...drawn, made.at(-1)!])] : []) {
    const { status, body } = await ask(url, { ...asked!, path: asked!.path.replace('wait=0', 'wait=60') });
    // Where a document went meanwhile, its edit is answered by 200: there is no place to point at.
    assert.deepEqual(body, answer!.body, `edit ${seq} again: ${status}`);
    assert.equal(status, answer!.status, `edit ${seq} again`);
  }
}

/** All that a server answers: edits, documents, and lists of all modes with their scores. */
export async function answersOf(url: string): Promise<object> {
  const body = { queries: texts, k: 20, includeDocument: true };
  const lists = modes.map(async (mode) => {
    const answer = await read<RetrieveBatchResponse>(url, {
      ...{ method: 'POST', path: '/retrieve', body: { ...body, mode } },
    });
    return { ...answer, tookMs: 0 };
  });
  return { lists: await Promise.all(lists), documents: await documentsOf(url) };
}

/** Waits until imports that were left behind have ended. */
export async function importsEnded(url: string): Promise<void> {
  for (const state of ['queued', 'running']) {
    const { tasks } = await read<TasksResponse>(url, { path: `/tasks?state=${state}` });
    for (const { id } of tasks)
      while ((await read<TaskView>(url, { path: `/tasks/${id}?wait=10` })).finishedAt === null);
  }
}

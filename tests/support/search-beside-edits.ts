/** Readers that ask a server in all its ways while edits go on, and check every answer against the one edit that it names. */
import assert from 'node:assert/strict';
import { modes, type Mode } from '../../server/index-service.ts';
import type { Candidate, DocumentView, RetrieveBatchResponse, RetrieveResponse } from '../../server/schemas.ts';
import { startEditServer } from './edit-server.ts';
import { baseDocuments } from './edit-world.ts';
import { asAdmin, post, type TestServer } from './server.ts';

export interface Scene {
  readonly server: TestServer;
  readonly seconds: number;
  /** Makes edit `seq`. */
  readonly edit: (seq: number) => Promise<void>;
  /** Docids of all documents that "river" finds after edit `seq`, sorted. */
  readonly expected: (seq: number, mode: Mode) => readonly string[];
  /** Asserts that a document is as edit `seq` left it. */
  readonly check: (document: DocumentView, seq: number) => void;
}

export async function searchBesideEdits({ server, seconds, edit, expected, check }: Scene): Promise<void> {
  await edit(1); // The editor starts with it.
  const end = performance.now() + seconds * 1000;
  const isOver = (): boolean => performance.now() > end;
  const writing = (async () => {
    for (let seq = 2; !isOver(); seq++) await edit(seq);
  })();
  const seen = new Set<number>();
  let answers = 0;
  const checkList = (candidates: readonly Candidate[], seq: number, wanted: readonly string[]): void => {
    assert.deepEqual(candidates.map(({ docid }) => docid).sort(), wanted, `edit ${seq}`);
    for (const { document } of candidates) check(document!, seq);
  };
  const reader = async (first: number): Promise<void> => {
    let newest = 1;
    for (let n = first; !isOver(); n++) {
      const mode = modes[n % 3];
      const asked = { k: 20, mode, includeDocument: true, ...(n % 5 === 0 && { deny: ['d4'] }) };
      const text = n % 4 === 0 ? { queries: Array<string>(48).fill('river') } : { query: 'river' };
      const { status, body } = await post<RetrieveResponse & RetrieveBatchResponse>(`${server.url}/retrieve`, {
        ...asked,
        ...text,
      });
      assert.equal(status, 200);
      assert.ok(body.editSeq >= newest, 'no answer is older than one that came before');
      newest = body.editSeq;
      const wanted = expected(newest, mode).filter((docid) => !asked.deny?.includes(docid));
      const lists = text.queries ? body.results : [body];
      for (const { candidates } of lists) checkList(candidates, newest, wanted);
      seen.add(newest);
      answers += lists.length;
    }
  };
  await Promise.all([writing, ...[0, 1, 2, 3].map(reader)]);
  assert.ok(seen.size > 3, `${seen.size} versions`);
  assert.ok(answers > 100, `${answers} answers`);
}

/**
 * Every edit stamps all documents with its number, replaces the document of the edit before by one of its own, and renames
 * another one to and fro.
 */
export async function searchBesideRealEdits(seconds: number): Promise<void> {
  const server = await startEditServer({ workers: 2 });
  const [renamed, ...others] = baseDocuments.map(({ docid }) => docid);
  const nameIn = (seq: number): string => (seq % 2 ? `${renamed}-odd` : renamed);
  const stamp = (seq: number) => ({ title: `The river of edit${seq}`, metadata: { seq } });
  const edit = async (seq: number): Promise<void> => {
    const added = { docid: `n${seq}`, text: `Number ${seq} of the rivers.`, ...stamp(seq) };
    const operations = [
      ...others.map((docid) => ({ kind: 'change', docid, document: { metadata: { seq } } })),
      { kind: 'rename', docid: nameIn(seq - 1), to: nameIn(seq) },
      { kind: 'add', document: added },
      ...(seq > 1 ? [{ kind: 'delete', docid: `n${seq - 1}` }] : []),
    ];
    const { status, body } = await post(`${server.url}/documents?budget=1`, { operations }, asAdmin);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.seq, seq);
  };
  const withRiver = new Set(baseDocuments.filter(({ text }) => /\brivers?\b/.test(text)).map(({ docid }) => docid));
  await searchBesideEdits({
    server,
    seconds,
    edit,
    expected: (seq, mode) => {
      const all = [...others, nameIn(seq), `n${seq}`];
      const found = all.filter((docid) => withRiver.has(docid) || docid === `n${seq}` || docid === nameIn(seq));
      return (mode === 'bm25' ? found : all).sort();
    },
    check: ({ docid, metadata }, seq) => {
      if (docid !== nameIn(seq)) assert.equal(metadata.seq, seq, docid);
    },
  });
}

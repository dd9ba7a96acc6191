/** Somebody who imports documents as a task, looks at the result of every line, and deletes what was added as one edit. */
import assert from 'node:assert/strict';
import type { Rng } from '../../../corpus/random.ts';
import type { EditOutcome, Operation } from '../../../editing/operations.ts';
import type { ImportLine } from '../../../server/edit-schemas.ts';
import type { TasksResponse, TaskView } from '../../../server/schemas.ts';
import { randomQuery } from '../tiny-model.ts';
import { newKey, type Asked, type KilledServer } from './killed-server.ts';
import type { AcknowledgedEdits } from './log.ts';

interface Line {
  readonly docid: string;
  readonly text: string;
}

const [lineCount, batch] = [24, 4];

export class ImportClient {
  /** Texts of the documents that are there, or are under way to come or go, by docid. */
  readonly touched = new Map<string, string>();
  /** Documents whose lines are known to be added, until their deletion begins. */
  readonly added = new Set<string>();
  imports = 0;
  /** Of those, how many were not at their end when the server was killed. */
  interrupted = 0;
  private readonly server: KilledServer;
  private readonly rng: Rng;
  private readonly log: AcknowledgedEdits;
  /** Number of the last import that is known. */
  private lastTask = 0;

  constructor(server: KilledServer, rng: Rng, log: AcknowledgedEdits) {
    this.server = server;
    this.rng = rng;
    this.log = log;
  }

  isMine(docid: string): boolean {
    return docid.startsWith('i.');
  }

  async one(): Promise<void> {
    const lines = Array.from({ length: lineCount }, (_, i) => ({
      docid: `i.${this.imports}.${i === 13 ? 2 : i}`, // of the fourteenth line there is one already
      text: `${randomQuery(this.rng)} ${this.imports} ${i}`,
    }));
    for (const { docid, text } of lines) if (!this.touched.has(docid)) this.touched.set(docid, text);
    const { kills } = this.server;
    const id = await this.begin(lines);
    let task: TaskView;
    do task = (await this.server.always<TaskView>({ path: `/tasks/${id}?wait=10` })).body;
    while (task.finishedAt === null);
    if (this.server.kills > kills) this.interrupted++;
    const failed = 2;
    assert.deepEqual([task.state, task.result], ['succeeded', { lines: lineCount, added: lineCount - failed, failed }]);
    const results = await this.results(id);
    assert.deepEqual(
      results.map(({ line, docid, status }) => [line, docid, status]),
      lines.map(({ docid }, i) => [i + 1, i === 7 ? null : docid, i === 7 ? 400 : i === 13 ? 409 : 201]),
      'each line has one result',
    );
    const added = results.filter(({ status }) => status === 201);
    for (const [seq, docids] of groups(added)) {
      const operations = docids.map((line): Operation => ({ kind: 'add', document: lines[line - 1] }));
      this.log.add({ seq, command: { kind: 'edit', operations } });
    }
    for (const { docid } of added) this.added.add(docid!);
    this.touched.delete(lines[7].docid);
    await this.delete(added.map(({ docid }) => docid!));
    this.imports++;
  }

  /** An import has no key: one whose answer did not come is looked for among the tasks before it is sent again. */
  private async begin(lines: readonly Line[]): Promise<number> {
    const body = lines.map((line, i) => (i === 7 ? '{"docid": "broken", \n' : `${JSON.stringify(line)}\n`)).join('');
    const headers = { 'content-type': 'application/x-ndjson' };
    const asked: Asked = {
      ...{ method: 'POST', path: `/documents/import?task=true&budget=1&batch=${batch}`, body, headers },
    };
    for (;;) {
      const answer = await this.server.once<TaskView>(asked);
      if (answer) {
        assert.equal(answer.status, 202, JSON.stringify(answer.body));
        return (this.lastTask = answer.body.id);
      }
      const { body } = await this.server.always<TasksResponse>({ path: '/tasks?kind=import&limit=1' });
      const [newest] = body.tasks;
      if (newest && newest.id > this.lastTask) return (this.lastTask = newest.id);
    }
  }

  private async results(id: number): Promise<ImportLine[]> {
    const { status, body } = await this.server.always<string>({ path: `/tasks/${id}/results` });
    assert.equal(status, 200);
    return body
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ImportLine);
  }

  private async delete(docids: readonly string[]): Promise<void> {
    const operations = docids.map((docid): Operation => ({ kind: 'delete', docid }));
    const asked: Asked = {
      ...{ method: 'POST', path: '/documents?wait=60', body: { operations }, headers: newKey() },
    };
    this.added.clear();
    const answer = await this.server.always<EditOutcome>(asked);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const { status, body } = answer;
    this.log.add({ seq: body.seq!, command: { kind: 'edit', operations }, asked, answer: { status, body } });
    for (const docid of docids) this.touched.delete(docid);
  }
}

/** Lines by the edit that added them. */
function groups(lines: readonly ImportLine[]): Map<number, number[]> {
  const bySeq = new Map<number, number[]>();
  for (const { seq, line } of lines) bySeq.set(seq!, [...(bySeq.get(seq!) ?? []), line]);
  return bySeq;
}

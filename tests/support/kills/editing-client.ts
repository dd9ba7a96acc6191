/** Somebody who adds, changes, deletes, renames and takes back documents of their own, one edit after the other. */
import assert from 'node:assert/strict';
import type { Rng } from '../../../corpus/random.ts';
import type { EditOutcome, Operation } from '../../../editing/operations.ts';
import type { TaskView } from '../../../server/schemas.ts';
import { CorpusModel, type Command, type Corpus } from '../edit-stream.ts';
import type { Answer } from '../server.ts';
import { newKey, type Asked, type KilledServer } from './killed-server.ts';
import type { AcknowledgedEdits } from './log.ts';

/** The server's words for a command. */
interface Written {
  readonly asked: Asked;
  readonly command: Command;
}

export class EditingClient {
  /** The task that the edit under way became, where it did. */
  task: number | undefined;
  private readonly server: KilledServer;
  private readonly name: string;
  private readonly model: CorpusModel;
  private readonly rng: Rng;
  private readonly log: AcknowledgedEdits;
  private readonly owned: ReadonlySet<string>;
  /** The number that the server gave to edit i + 1. */
  private readonly seqs: number[] = [];
  private next: Command | undefined;

  /** @param corpus  documents of the base that nobody else edits */
  constructor(server: KilledServer, name: string, corpus: Corpus, rng: Rng, log: AcknowledgedEdits) {
    this.server = server;
    this.name = name;
    this.owned = new Set(corpus.keys());
    this.model = new CorpusModel(corpus);
    this.rng = rng;
    this.log = log;
  }

  /** What there may be of the client's documents, by docid: one of these; the second with the edit under way, if there is one. */
  get expected(): readonly Corpus[] {
    const states = [this.model.corpus, ...(this.next ? [this.model.after(this.next)!] : [])];
    return states.map(
      (corpus) => new Map([...corpus].map(([docid, text]): [string, string] => [this.docid(docid), text]).sort()),
    );
  }

  isMine(docid: string): boolean {
    return this.owned.has(docid) || docid.startsWith(`${this.name}.`);
  }

  async one(): Promise<void> {
    const { model } = this;
    let command: Command;
    do command = model.draw(this.rng, model.history.length);
    while (!model.after(command));
    this.next = command;
    const written = this.write(command);
    const { status, body } = await this.make(written);
    assert.ok(status === 200 || status === 201, `${written.asked.path}: ${status} ${JSON.stringify(body)}`);
    this.log.add({ seq: body.seq!, ...written, answer: { status, body } });
    this.seqs.push(body.seq!);
    model.apply(command);
    this.next = this.task = undefined;
  }

  /** Asks until the edit is made. One that became a task is asked for again when that has ended. */
  private async make(written: Written): Promise<Answer<EditOutcome>> {
    for (;;) {
      const answer = await this.server.once<EditOutcome | TaskView>(written.asked);
      if (answer?.status === 202) await this.wait(answer.body as TaskView);
      else if (answer) return answer as Answer<EditOutcome>;
    }
  }

  private async wait({ id }: TaskView): Promise<void> {
    this.task = id;
    for (;;) {
      const { body } = await this.server.always<TaskView>({ path: `/tasks/${id}?wait=10` });
      if (body.finishedAt === null) continue;
      assert.ok(body.state === 'succeeded' || body.state === 'interrupted', JSON.stringify(body));
      return;
    }
  }

  private write(command: Command): Written {
    const headers = newKey();
    // Some are answered with a task at once, however little they take.
    const wait = this.rng.next() < 0.2 ? 'wait=0' : 'wait=60';
    if (command.kind === 'undo') {
      const seq = this.seqs[command.seq - 1];
      return { asked: { method: 'POST', path: `/edits/${seq}/undo?${wait}`, headers }, command: { kind: 'undo', seq } };
    }
    const operations = command.operations.map((operation) => this.renamed(operation));
    const [first, ...others] = operations;
    const query = `budget=1&${wait}`;
    if (others.length) {
      const body = { operations };
      return {
        asked: { method: 'POST', path: `/documents?${query}`, body, headers },
        command: { kind: 'edit', operations },
      };
    }
    if (first.kind === 'add') {
      const asked: Asked = { method: 'POST', path: `/documents?${query}`, body: first.document, headers };
      return { asked, command: { kind: 'edit', operations } };
    }
    const path = `/documents/${first.docid}`;
    const asked: Asked =
      first.kind === 'delete'
        ? { method: 'DELETE', path: `${path}?${query}`, headers }
        : first.kind === 'rename'
          ? { method: 'POST', path: `${path}/rename?${query}`, body: { to: first.to }, headers }
          : { method: 'PUT', path: `${path}?${query}`, body: first.document, headers };
    // PUT says all of a document: what it leaves out is empty from then on.
    const whole: Operation =
      first.kind === 'change' ? { ...first, document: { title: '', metadata: {}, ...first.document } } : first;
    return { asked, command: { kind: 'edit', operations: [whole] } };
  }

  private renamed(operation: Operation): Operation {
    if (operation.kind === 'add')
      return { ...operation, document: { ...operation.document, docid: this.docid(operation.document.docid) } };
    const docid = this.docid(operation.docid);
    return operation.kind === 'rename'
      ? { ...operation, docid, to: this.docid(operation.to) }
      : { ...operation, docid };
  }

  private docid(own: string): string {
    return this.owned.has(own) ? own : `${this.name}.${own}`;
  }
}

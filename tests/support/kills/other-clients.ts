/** Those who search, who make and revoke keys, and who ask for evaluations and snapshots. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Rng } from '../../../corpus/random.ts';
import type { MadeKeyView, SnapshotView } from '../../../server/admin-schemas.ts';
import { modes } from '../../../server/index-service.ts';
import type { RetrieveResponse, TaskView } from '../../../server/schemas.ts';
import { bearer } from '../server.ts';
import { randomQuery } from '../tiny-model.ts';
import { ask, type KilledServer } from './killed-server.ts';

export class SearchingClient {
  answers = 0;
  private readonly server: KilledServer;
  private readonly rng: Rng;

  constructor(server: KilledServer, rng: Rng) {
    this.server = server;
    this.rng = rng;
  }

  async one(): Promise<void> {
    const mode = modes[this.rng.int(modes.length)];
    const body = { query: randomQuery(this.rng), k: 1 + this.rng.int(20), mode, includeDocument: true };
    const answer = await this.server.once<RetrieveResponse>({ method: 'POST', path: '/retrieve', body });
    if (!answer) return;
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    for (const { docid, document } of answer.body.candidates) assert.equal(document?.docid, docid);
    this.answers++;
  }
}

/** A key is made, rotated now and then, and revoked when there are five. What the answer to is not known is revoked. */
export class KeyClient {
  made = 0;
  private readonly server: KilledServer;
  private readonly rng: Rng;
  private readonly secrets = new Map<string, string>();
  private readonly invalid: string[] = [];

  constructor(server: KilledServer, rng: Rng) {
    this.server = server;
    this.rng = rng;
  }

  async one(): Promise<void> {
    await delay(50);
    if (this.secrets.size === 5) return this.revoke([...this.secrets.keys()][this.rng.int(5)]);
    const known = [...this.secrets.keys()];
    if (known.length && this.rng.next() < 0.3) return this.rotate(known[this.rng.int(known.length)]);
    const name = `key${this.made++}`;
    const body = { name, scope: 'read' };
    const answer = await this.server.once<MadeKeyView>({ method: 'POST', path: '/keys', body });
    if (!answer) return this.revoke(name);
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    this.secrets.set(name, answer.body.secret);
  }

  /** Asserts that keys open what they opened, and that those that were revoked or replaced open nothing. */
  async check(url: string): Promise<void> {
    const status = async (secret: string): Promise<number> =>
      (await ask(url, { path: '/edits?limit=0', headers: bearer(secret) })).status;
    for (const [name, secret] of this.secrets) assert.equal(await status(secret), 200, `${name} is valid`);
    for (const secret of this.invalid.slice(-5)) assert.equal(await status(secret), 401, 'a key that is gone');
  }

  private async rotate(name: string): Promise<void> {
    const body = { graceSeconds: 0 };
    const secret = this.secrets.get(name)!;
    this.secrets.delete(name); // which one is valid is not known meanwhile
    const answer = await this.server.once<MadeKeyView>({ method: 'POST', path: `/keys/${name}/rotate`, body });
    if (!answer) return this.revoke(name);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    this.secrets.set(name, answer.body.secret);
    this.invalid.push(secret);
  }

  private async revoke(name: string): Promise<void> {
    const secret = this.secrets.get(name);
    this.secrets.delete(name);
    const { status } = await this.server.always({ method: 'DELETE', path: `/keys/${name}` });
    assert.ok(status === 204 || status === 404, `${name}: ${status}`); // 404: it never was, or went unheard
    if (secret !== undefined) this.invalid.push(secret);
  }
}

/** One evaluation or snapshot after the other. */
export class TaskClient {
  readonly ended = { succeeded: 0, interrupted: 0 };
  private readonly server: KilledServer;
  private readonly rng: Rng;

  constructor(server: KilledServer, rng: Rng) {
    this.server = server;
    this.rng = rng;
  }

  async one(): Promise<void> {
    await delay(200 + this.rng.int(800));
    const isSnapshot = this.rng.next() < 0.5;
    const asked = isSnapshot ? { path: '/snapshots?keep=2' } : { path: '/evaluate', body: { split: 'dev' } };
    const { kills } = this.server;
    const answer = await this.server.once<TaskView>({ method: 'POST', ...asked });
    if (!answer) return;
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    let task: TaskView;
    do task = (await this.server.always<TaskView>({ path: `/tasks/${answer.body.id}?wait=10` })).body;
    while (task.finishedAt === null);
    if (task.state === 'interrupted') {
      assert.ok(this.server.kills > kills, 'a task is interrupted by a kill alone');
      this.ended.interrupted++;
      return;
    }
    assert.equal(task.state, 'succeeded', JSON.stringify(task));
    this.ended.succeeded++;
    if (!isSnapshot) return;
    const { body } = await this.server.always<{ snapshots: SnapshotView[] }>({ path: '/snapshots' });
    const { name } = task.result as SnapshotView;
    assert.ok(
      body.snapshots.some((snapshot) => snapshot.name === name),
      `${name} is there`,
    );
  }
}

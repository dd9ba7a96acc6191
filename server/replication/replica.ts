import type { Worker } from 'node:worker_threads';
import type { PublishedVersion } from '../../editing/published-version.ts';
import { startThread } from '../../models/thread.ts';
import type { IndexService } from '../index-service.ts';
import type { FollowerSetup, FromFollower, Sight, ToFollower } from './follower-worker.ts';
import { SearcherError, StandbyError, type Role } from './role.ts';

export interface ReplicaStatus {
  readonly role: Role;
  /** Whether the database answered when it was asked last. */
  readonly connected: boolean;
  /** Whether this server is the one that edits. */
  readonly edits: boolean;
  /** Number of the last edit that the database was seen to have; null before it was seen. */
  readonly streamSeq: number | null;
  /** Edits that searches here do not know of, as far as the database was seen. */
  readonly lagEdits: number;
  /** Since when nothing was known to be missing; 0 where nothing is. */
  readonly lagSeconds: number;
  /** What is wrong, for people. */
  readonly problem: string | null;
}

/** A database that was asked and has not answered for so long has an unknown end. */
const freshMs = 5000;

/**
 * A data folder that follows the stream of edits: whatever others commit is written into it, and published to searches as
 * an edit of its own would be.
 */
export class Replica {
  readonly role: Role;
  private readonly worker: Worker;
  private readonly log: (line: string) => void;
  private index: IndexService | undefined;
  private seen: Extract<Sight, { kind: 'seen' }> | undefined;
  private lost: string | undefined;
  private foreign: string | undefined;
  private seenMs = -Infinity;
  /** When nothing was missing last. */
  private completeMs: number | undefined;
  private readonly openedMs = performance.now();
  /** While the index is opened, nothing is written that it would not know of. */
  private opening: Promise<void> | undefined;
  private opened = (): void => undefined;
  private stepping: Promise<void> = Promise.resolve();
  private stepped: ((message: Extract<FromFollower, { kind: 'stepped' | 'failed' }>) => void) | undefined;
  private readonly exit: Promise<void>;
  private closed = false;
  private changed = (): void => undefined;

  constructor(role: Role, setup: Omit<FollowerSetup, 'edits'>, log: (line: string) => void) {
    this.role = role;
    this.log = log;
    const workerData: FollowerSetup = { ...setup, edits: role === 'editor' };
    this.worker = startThread(new URL('./follower-worker', import.meta.url), { workerData });
    this.worker.on('message', (message: FromFollower) => this.receive(message));
    this.worker.once('error', (error) => this.stop(error.message));
    this.exit = new Promise<void>((resolve) =>
      this.worker.once('exit', () => {
        if (!this.closed) this.stop('the thread that follows the database has ended');
        this.closed = true;
        this.stepped?.({ kind: 'failed', message: 'closed' });
        resolve();
      }),
    );
  }

  /**
   * Waits until the data folder has had all that the stream has, or, where it may answer as it is, until the database does
   * not answer. Before `publishTo`.
   *
   * @throws Error where it never can
   */
  async begin(mayAnswer: boolean): Promise<void> {
    for (;;) {
      if (this.foreign !== undefined) throw new Error(this.foreign);
      if (this.completeMs !== undefined || (mayAnswer && this.lost !== undefined)) break;
      await new Promise<void>((resolve) => (this.changed = resolve));
    }
    this.opening = new Promise((resolve) => (this.opened = resolve));
    await this.stepping;
  }

  /** From now on, what comes is published. */
  publishTo(index: IndexService): void {
    this.index = index;
    this.opened();
  }

  /** Waits until this server may edit, or another one does. */
  async decided(): Promise<boolean> {
    while (this.lost === undefined && this.foreign === undefined && !this.seen?.editor)
      await new Promise<void>((resolve) => (this.changed = resolve));
    return this.status.edits;
  }

  get status(): ReplicaStatus {
    const { role, seen, index, foreign } = this;
    const now = performance.now();
    const connected = this.lost === undefined && foreign === undefined && now - this.seenMs < freshMs;
    const streamSeq = seen?.editSeq ?? null;
    const lagEdits = Math.max(0, (streamSeq ?? 0) - (index?.editSeq ?? streamSeq ?? 0));
    const isComplete = connected && lagEdits === 0 && this.completeMs !== undefined;
    const lagSeconds = isComplete ? 0 : (now - (this.completeMs ?? this.openedMs)) / 1000;
    // However old: the stream takes nothing from one whose place another has taken.
    const mayEdit = this.lost === undefined && foreign === undefined && (seen?.holds ?? false);
    const problem = foreign ?? this.lost ?? null;
    return { role, connected, edits: mayEdit, streamSeq, lagEdits, lagSeconds, problem };
  }

  /** Whether searches here have known all edits once. */
  get wasComplete(): boolean {
    return this.completeMs !== undefined;
  }

  /** Whether it has ended for good, and why. */
  get ended(): string | undefined {
    return this.foreign;
  }

  /** @throws SearcherError, StandbyError */
  checkEdits(): void {
    const { role, seen, status } = this;
    if (role === 'searcher') throw new SearcherError(null);
    if (status.edits) return;
    if (!status.connected) throw new StandbyError('no answer of the database');
    throw new StandbyError(`another one, on ${seen?.editor ?? 'a host that is not known'}`);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.opened();
    this.worker.postMessage({ kind: 'close' } satisfies ToFollower);
    await this.exit;
  }

  private receive(message: FromFollower): void {
    if (message.kind === 'behind') {
      this.stepping = this.step(message.forgets);
    } else if (message.kind === 'stepped' || message.kind === 'failed') {
      this.stepped?.(message);
    } else if (message.kind === 'foreign') {
      this.stop(message.reason);
    } else if (message.kind === 'lost') {
      if (this.lost === undefined) this.log(message.reason);
      this.lost = message.reason;
    } else {
      if (this.lost !== undefined) this.log('the database answers again');
      this.lost = undefined;
      this.seen = message;
      this.seenMs = performance.now();
      if (message.missing <= 0) this.completeMs = this.seenMs;
    }
    this.changed();
  }

  /** One after the other with edits, so that searches see a version whole. Never rejects. */
  private async step(forgets: boolean): Promise<void> {
    await this.opening;
    if (this.closed) return;
    const commit = async () => ({ result: undefined, version: await this.write() });
    try {
      if (this.index) await this.index.edit(commit, forgets);
      else await commit();
    } catch (error) {
      if (this.closed) return;
      this.worker.postMessage({ kind: 'skip' } satisfies ToFollower); // Where it was not told to write: later, then.
      this.log(`following the stream of edits: ${(error as Error).message}`);
    }
  }

  private write(): Promise<PublishedVersion | undefined> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error('closed'));
      this.stepped = (message) => {
        this.stepped = undefined;
        if (message.kind === 'failed') reject(new Error(message.message));
        else resolve(message.version);
      };
      this.worker.postMessage({ kind: 'step' } satisfies ToFollower);
    });
  }

  private stop(reason: string): void {
    this.foreign = reason;
    this.log(reason);
    this.changed();
  }
}

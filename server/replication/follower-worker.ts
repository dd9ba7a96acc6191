/**
 * @file The thread that follows the stream: looks for its end, reads what is missing, and writes it into the data folder when
 * it is told to. Where this process may edit, it says so in the stream, again and again.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { openStore } from '../../corpus/store.ts';
import type { VersionBase } from '../../editing/edited-version.ts';
import { EditLog } from '../../editing/edit-log.ts';
import { newestVersion, type PublishedVersion } from '../../editing/published-version.ts';
import { openStream } from '../../editing/stream/database-url.ts';
import {
  ForeignStreamError,
  holdSeconds,
  type StreamHead,
  type StreamRecord,
} from '../../editing/stream/edit-stream.ts';
import { SharedStore } from '../../editing/stream/shared-store.ts';

export interface FollowerSetup {
  readonly url: string;
  /** The store's file. */
  readonly path: string;
  /** What versions are made with. */
  readonly base: VersionBase;
  /** Whether this process edits where no other does. */
  readonly edits: boolean;
}

/** What was seen of the stream last. */
export type Sight =
  | {
      readonly kind: 'seen';
      /** Number of the last edit in the stream. */
      readonly editSeq: number;
      /** Records that are not in the data folder. */
      readonly missing: number;
      /** Host of the one who edits; null where nobody does. */
      readonly editor: string | null;
      /** Whether this process is the one who edits. */
      readonly holds: boolean;
    }
  | { readonly kind: 'lost'; readonly reason: string }
  /** It cannot go on. */
  | { readonly kind: 'foreign'; readonly reason: string };

export type FromFollower =
  | Sight
  /** There is something to write. */
  | { readonly kind: 'behind'; readonly forgets: boolean }
  /** It is written. The version where edits were among it. */
  | { readonly kind: 'stepped'; readonly version: PublishedVersion | undefined }
  | { readonly kind: 'failed'; readonly message: string };

export type ToFollower = { readonly kind: 'step' } | { readonly kind: 'skip' } | { readonly kind: 'close' };

/** Between two looks where nothing wakes. NOTIFY may be lost, this is not. */
const pollMs = 1000;
const holdMs = (1000 * holdSeconds) / 3;
const tidyMs = 15_000;
const retryMs = { least: 200, most: 5000 };

const port = parentPort!;
const send = (message: FromFollower): void => port.postMessage(message);
const { url, path, base, edits } = workerData as FollowerSetup;

const store = openStore(path);
const stream = await openStream(url);
const shared = new SharedStore(store, stream);
const log = new EditLog(store);
let closing = false;
/** What was sent for and is not written yet. */
let step: { readonly head: StreamHead; readonly records: readonly StreamRecord[] } | undefined;
let woken = false;
let resume = (): void => undefined;

function wake(): void {
  woken = true;
  resume();
}

/** So long, or until something wakes, which may have been before. */
async function pause(ms: number): Promise<void> {
  if (!woken)
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      resume = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  woken = false;
}

async function bring(head: StreamHead): Promise<void> {
  const records = shared.needsCheckpoint(head) ? [] : await shared.missing(head);
  step = { head, records };
  send({ kind: 'behind', forgets: records.some((record) => record.forgets) });
}

async function write(): Promise<void> {
  if (!step) return send({ kind: 'stepped', version: undefined });
  const { head, records } = step;
  const before = log.last;
  try {
    if (shared.needsCheckpoint(head)) await shared.loadCheckpoint();
    // The editor's own records are there by now.
    for (const record of records) if (record.position > shared.place.position) shared.follow(record);
    send({ kind: 'stepped', version: log.last === before ? undefined : newestVersion(store, base) });
    wake();
  } catch (error) {
    if (error instanceof ForeignStreamError) stop(error);
    send({ kind: 'failed', message: (error as Error).message });
  } finally {
    step = undefined;
  }
}

function stop(error: Error): void {
  closing = true;
  send({ kind: 'foreign', reason: error.message });
}

let held = { at: -Infinity, id: '', name: '' };
let tidied = performance.now();
/** Where the data folder was when it was seen to lack something. */
let lackedAt = NaN;

async function look(): Promise<void> {
  const { place } = shared;
  const head = await stream.head();
  shared.check(head, place);
  const now = performance.now();
  const { holder } = shared;
  if (edits && (now - held.at > holdMs || held.id !== holder.id)) held = { at: now, ...(await stream.hold(holder)) };
  const holds = edits && held.id === holder.id;
  const { position } = shared.place;
  const missing = head.position - position;
  const editor = held.name === '' ? null : held.name;
  send({ kind: 'seen', editSeq: head.editSeq, missing, editor, holds });
  // Who edits writes what it appends by itself, a moment later.
  if (missing > 0 && !step && (!holds || lackedAt === position)) await bring(head);
  lackedAt = missing > 0 ? position : NaN;
  if (holds && missing <= 0 && now - tidied > tidyMs) {
    tidied = now;
    await shared.tidy();
  }
  await pause(pollMs);
}

async function follow(): Promise<void> {
  let retry = retryMs.least;
  while (!closing)
    try {
      await look();
      retry = retryMs.least;
    } catch (error) {
      if (error instanceof ForeignStreamError) return stop(error);
      held = { ...held, at: -Infinity };
      send({ kind: 'lost', reason: (error as Error).message });
      await pause(retry * (0.5 + Math.random()));
      retry = Math.min(2 * retry, retryMs.most);
    }
}

async function close(): Promise<void> {
  closing = true;
  wake();
  await following;
  if (edits && held.id === shared.holder.id) await stream.release(shared.holder).catch(() => undefined);
  await stream.close();
  store.close();
  port.close();
}

const skip = async (): Promise<void> => void (step = undefined);

const handlers: { readonly [K in ToFollower['kind']]: () => Promise<void> } = { step: write, skip, close };
port.on('message', ({ kind }: ToFollower) => void handlers[kind]());
// The editor knows of its own records before the stream does.
if (!edits) stream.onAppend(wake);
const following = follow();

/**
 * @file Searches go before edits: the thread that edits pauses between two stretches of its work while searches are under
 * way, since on few cores they would wait for the end of its time slices. It pauses as long as it has worked at most, and
 * where pauses do not see the end of the searches, since they come without end, it works on for a while.
 * On Linux, where threads have priorities of their own, it has a lower one besides, so that a search that comes need not wait.
 */
import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { basename } from 'node:path';

/** Searches of this process that are under way. */
const underWay = new Int32Array(new SharedArrayBuffer(4));

/** To be given to the thread that edits. */
export const searchesUnderWay = underWay.buffer;

export const searchBegins = (): number => Atomics.add(underWay, 0, 1);

export function searchEnds(): void {
  if (Atomics.sub(underWay, 0, 1) === 1) Atomics.notify(underWay, 0);
}

/** Pauses in which searches did not end, at most: few take longer. */
const PATIENCE_MS = 15;
/** Of work without a pause afterwards. */
const STUBBORN_MS = 50;

/** Of the thread that edits: a third of a core's time where searches ask for all of it. */
const NICE = 5;

let searches: Int32Array | undefined;
/** Milliseconds of pauses that were earned by work and not taken. */
let earnedMs = 0;
/** When the last pause ended. */
let sinceMs = 0;
/** Pauses since the last one that saw the end of the searches. */
let inVainMs = 0;
let stubbornUntilMs = 0;

/** From now on this thread pauses for those searches where it says `giveWay`. */
export function giveWayTo(shared: SharedArrayBuffer): void {
  searches = new Int32Array(shared);
  sinceMs = performance.now();
  if (process.platform === 'linux') setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICE);
}

/** To be called between stretches of a few milliseconds. Nothing happens where nobody is to go first. */
export function giveWay(): void {
  if (!searches) return;
  const fromMs = performance.now();
  if (fromMs < stubbornUntilMs) return;
  earnedMs = Math.min(PATIENCE_MS, earnedMs + fromMs - sinceMs);
  sinceMs = fromMs;
  const untilMs = fromMs + earnedMs;
  let n = Atomics.load(searches, 0);
  for (; n > 0 && sinceMs < untilMs; n = Atomics.load(searches, 0)) {
    Atomics.wait(searches, 0, n, untilMs - sinceMs);
    sinceMs = performance.now();
  }
  const pausedMs = sinceMs - fromMs;
  earnedMs -= pausedMs;
  inVainMs = n > 0 ? inVainMs + pausedMs : 0;
  if (inVainMs < PATIENCE_MS) return;
  inVainMs = 0;
  stubbornUntilMs = sinceMs + STUBBORN_MS;
}

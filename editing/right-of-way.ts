/**
 * @file Searches go before edits: the thread that edits pauses between two stretches of its work while searches are under
 * way, since on few cores they would wait for the end of its time slices. It pauses as long as it has worked at most, so that
 * under searches without end an edit still comes to its own.
 */

/** Searches of this process that are under way. */
const underWay = new Int32Array(new SharedArrayBuffer(4));

/** To be given to the thread that edits. */
export const searchesUnderWay = underWay.buffer;

export const searchBegins = (): number => Atomics.add(underWay, 0, 1);

export function searchEnds(): void {
  if (Atomics.sub(underWay, 0, 1) === 1) Atomics.notify(underWay, 0);
}

/** Pauses that were earned by work and not taken, in milliseconds, at most. */
const MOST_MS = 50;

let searches: Int32Array | undefined;
let earnedMs = 0;
let sinceMs = 0;

/** From now on this thread pauses for those searches where it says `giveWay`. */
export function giveWayTo(shared: SharedArrayBuffer): void {
  searches = new Int32Array(shared);
  sinceMs = performance.now();
}

/** To be called between stretches of a few milliseconds. Nothing happens where nobody is to go first. */
export function giveWay(): void {
  if (!searches) return;
  const fromMs = performance.now();
  earnedMs = Math.min(MOST_MS, earnedMs + fromMs - sinceMs);
  const untilMs = fromMs + earnedMs;
  sinceMs = fromMs;
  for (let n = Atomics.load(searches, 0); n > 0 && sinceMs < untilMs; n = Atomics.load(searches, 0)) {
    Atomics.wait(searches, 0, n, untilMs - sinceMs);
    sinceMs = performance.now();
  }
  earnedMs -= sinceMs - fromMs;
}

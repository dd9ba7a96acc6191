import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Store } from '../../corpus/store.ts';
import { openStream } from '../../editing/stream/database-url.ts';
import { ForeignStreamError, StreamUnavailableError } from '../../editing/stream/edit-stream.ts';
import type { EditStream, StreamIdentity } from '../../editing/stream/edit-stream.ts';
import { checkpointOf, enterStream, partsOf } from '../../editing/stream/shared-store.ts';
import type { Role } from './role.ts';

/** Between two questions whether the database answers, or whether the editor has begun the stream. */
const retryMs = 1000;

/** The stream that a process is to follow. */
export interface Joined {
  readonly stream: EditStream;
  /** `none` yet, which the editor begins. */
  readonly identity: StreamIdentity | 'none';
}

/**
 * Looks which stream there is. Waits for a database that does not answer, and a searcher for the editor to begin one.
 *
 * @param known  of the stream that the data folder follows already: with it, nothing is waited for
 * @throws ForeignStreamError where it is a stream of another model; StreamAccessError, DatabaseUrlError
 */
export async function joinStream(
  url: string,
  role: Role,
  model: string,
  known: boolean,
  log: (line: string) => void,
): Promise<Joined | 'unreachable'> {
  const stream = await openStream(url);
  let said = '';
  const say = (line: string): void => {
    if (line !== said) log(line);
    said = line;
  };
  try {
    for (;;) {
      try {
        const identity = await stream.identity();
        if (identity) return { stream, identity: ofModel(identity, model) };
        if (role === 'editor') return { stream, identity: 'none' };
        say('the database has no stream of edits yet: waiting for the editor to begin one');
      } catch (error) {
        if (!(error instanceof StreamUnavailableError)) throw error;
        say(error.message);
        if (known) {
          await stream.close();
          return 'unreachable';
        }
      }
      await delay(retryMs);
    }
  } catch (error) {
    await stream.close();
    throw error;
  }
}

/** @throws ForeignStreamError */
function ofModel(identity: StreamIdentity, model: string): StreamIdentity {
  if (identity.model === model) return identity;
  throw new ForeignStreamError(
    'database',
    `a stream of edits of model ${model}`,
    `one of model ${identity.model}`,
    'give every server the same base model with --model',
  );
}

/** Begins a stream with what a store holds. The store follows it from here on. @throws StreamConflictError, StreamUnavailableError */
export async function beginStream(stream: EditStream, store: Store, model: string, corpus: string): Promise<void> {
  const identity = { id: randomUUID(), model, corpus };
  store.transaction(() => enterStream(store, identity, 0));
  await stream.create(identity, checkpointOf(store), partsOf(store));
}

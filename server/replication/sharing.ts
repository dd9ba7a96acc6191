import { databaseName, openStream } from '../../editing/stream/database-url.ts';
import { SharedStore } from '../../editing/stream/shared-store.ts';
import { corpusOf, isFollowing, type DataFolder, type DataFolderOptions } from '../data-folder.ts';
import type { IndexService } from '../index-service.ts';
import type { ModelInfo } from '../model-info.ts';
import { beginStream, joinStream, type Joined } from './join.ts';
import { Replica } from './replica.ts';
import type { Role } from './role.ts';
import { TaskMirror } from './task-mirror.ts';

export interface SharingOptions {
  readonly role: Role;
  readonly databaseUrl: string;
  readonly model: ModelInfo;
  readonly dataDir: string;
  readonly log: (line: string) => void;
}

/** What is known of the database before the data folder is opened. */
export interface Beginning {
  readonly joined: Joined | 'unreachable';
  /** For the data folder. */
  readonly follows: DataFolderOptions['follows'];
}

/** @throws ForeignStreamError, StreamAccessError, DatabaseUrlError */
export async function beginSharing({ role, databaseUrl, model, dataDir, log }: SharingOptions): Promise<Beginning> {
  const joined = await joinStream(databaseUrl, role, model.version, isFollowing(dataDir), log);
  return { joined, follows: joined === 'unreachable' ? joined : joined.identity };
}

/** Lets the database go where what comes next fails. */
export async function orLeave<T>(beginning: Beginning | undefined, body: () => T): Promise<T> {
  try {
    return body();
  } catch (error) {
    if (beginning && beginning.joined !== 'unreachable') await beginning.joined.stream.close();
    throw error;
  }
}

/** The part of a server that it has in common with others: a stream that it follows, and appends to where it is the editor. */
export class Sharing {
  readonly replica: Replica;
  private readonly shared: SharedStore;
  private readonly mirror: TaskMirror | undefined;

  private constructor(replica: Replica, shared: SharedStore, mirror: TaskMirror | undefined) {
    this.replica = replica;
    this.shared = shared;
    this.mirror = mirror;
  }

  /** Returns once the data folder has what the database has, or may answer without. @throws what ends a start for good */
  static async open(options: SharingOptions, { joined }: Beginning, data: DataFolder): Promise<Sharing> {
    const { role, databaseUrl, model, log } = options;
    const { store } = data;
    const isLost = joined === 'unreachable';
    const stream = isLost ? await openStream(databaseUrl) : joined.stream;
    const setup = { url: databaseUrl, path: store.database.name, base: model.base };
    let replica: Replica | undefined;
    try {
      if (!isLost && joined.identity === 'none') {
        await beginStream(stream, store, model.version, corpusOf(store));
        log(`${databaseName(databaseUrl)}: a stream of edits begins with what ${data.dir} holds`);
      }
      replica = new Replica(role, setup, log);
      await replica.begin(isLost);
      const shared = new SharedStore(store, stream);
      const mirror = role === 'editor' ? new TaskMirror(store, stream, shared.holder) : undefined;
      if (mirror && !isLost && (await replica.decided())) await mirror.take();
      mirror?.start(() => replica!.status.edits);
      return new Sharing(replica, shared, mirror);
    } catch (error) {
      await replica?.close();
      await stream.close();
      throw error;
    }
  }

  /** @throws SearcherError, StandbyError, StreamConflictError, StreamUnavailableError, and what `change` throws */
  share<T>(index: IndexService, change: () => T): Promise<T> {
    this.replica.checkEdits();
    return index.edit(async () => ({ result: await this.shared.commit(change, { kind: 'keys' }), version: undefined }));
  }

  async close(): Promise<void> {
    await this.mirror?.close();
    await this.replica.close();
    await this.shared.stream.close();
  }
}

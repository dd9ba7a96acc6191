import { dirname } from 'node:path';
import type { Request, Response } from 'express';
import type { z } from 'zod';
import type { EditService } from './edits.ts';
import type { Reopen } from './folding/compact-served.ts';
import type { IndexService } from './index-service.ts';
import type { ApiKey, Keys } from './keys/keys.ts';
import type { Access } from './keys/scope.ts';
import { Metrics } from './metrics/metrics.ts';
import { SharedIndexError } from './replication/role.ts';
import type { Sharing } from './replication/sharing.ts';
import type { TaskRegistry } from './tasks/registry.ts';

export type Phase = 'loading' | 'ready' | 'closing';

/** The server is not, or no longer, able to answer. */
export class NotReadyError extends Error {
  override readonly name = 'NotReadyError';
  readonly phase: Phase;
  constructor(phase: Phase) {
    super(`server: expected to be ready, is ${phase}; try again in a moment`);
    this.phase = phase;
  }
}

/** What all routes share. The server listens before the model is loaded, so the index comes later. */
export class ServerState {
  phase: Phase = 'loading';
  current: IndexService | undefined = undefined;
  registry: TaskRegistry | undefined = undefined;
  keyring: Keys | undefined = undefined;
  editor: EditService | undefined = undefined;
  opener: Reopen | undefined = undefined;
  /** What this server has in common with others. */
  sharing: Sharing | undefined = undefined;
  /** Whether looking needs a key too. */
  searchLocked = false;
  readonly metrics = new Metrics();

  /** @throws NotReadyError while there is none */
  get index(): IndexService {
    if (!this.current) throw new NotReadyError(this.phase);
    return this.current;
  }

  /** The data folder. @throws NotReadyError while there is none */
  get dataDir(): string {
    return dirname(this.index.store.database.name);
  }

  /** @throws NotReadyError while there are none */
  get tasks(): TaskRegistry {
    if (!this.registry) throw new NotReadyError(this.phase);
    return this.registry;
  }

  /** @throws NotReadyError while there are none */
  get edits(): EditService {
    if (!this.editor) throw new NotReadyError(this.phase);
    return this.editor;
  }

  /** @throws NotReadyError while there is nothing to put in its place */
  get reopen(): Reopen {
    if (this.sharing) throw new SharedIndexError('compaction');
    if (!this.opener) throw new NotReadyError(this.phase);
    return this.opener;
  }

  /** Changes what all servers of an index have: here at once, with others in the same order everywhere. */
  async share<T>(change: () => T): Promise<T> {
    return this.sharing ? this.sharing.share(this.index, change) : change();
  }

  /** @throws NotReadyError while there are none */
  get keys(): Keys {
    if (!this.keyring) throw new NotReadyError(this.phase);
    return this.keyring;
  }
}

export interface Call<Q, B> {
  readonly state: ServerState;
  readonly request: Request;
  /** For headers and the status; the body is what the handler returns. */
  readonly response: Response;
  /** The key that the caller has; there is one where the operation needs one. */
  readonly caller: ApiKey | undefined;
  readonly query: Q;
  readonly body: B;
  readonly log: (line: string) => void;
}

export type RequestHeader = 'If-Match' | 'If-None-Match' | 'Idempotency-Key';

/** Whether a request may come without a body: it then asks for what `{}` asks for. */
export const mayBeLeftOut = (body: z.ZodType): boolean => body.safeParse({}).success;

/** One method of one path: what it takes, what it answers, how. Served by `app.ts`, documented by `openapi.ts`. */
export interface Operation<Q = unknown, B = unknown> {
  readonly summary: string;
  readonly description?: string;
  readonly access: Access;
  readonly query?: z.ZodType<Q>;
  /** Request headers that it heeds. */
  readonly headers?: readonly RequestHeader[];
  readonly body?: z.ZodType<B>;
  /** Bytes of the body at most. @default limits.bodyBytes */
  readonly bodyBytes?: number;
  /** One line of a body that is JSON by lines, which the handler reads itself, and whose answer it writes. */
  readonly line?: z.ZodType;
  /**
   * Bodies by status. Several schemas mean one of them; none means no body, `type` alone a text of that type, and
   * `type` with a schema what each line of it is.
   */
  readonly responses: {
    readonly [status: number]: {
      readonly description: string;
      readonly schemas?: readonly z.ZodType[];
      readonly type?: string;
    };
  };
  /** Statuses that come as a problem, beside 400 and 500. */
  readonly problems?: readonly number[];
  /** Returns the body, or undefined for none. A string goes as it is, under the type that the handler has set. */
  handle(call: Call<Q, B>): unknown;
}

export type Method = 'get' | 'post' | 'put' | 'delete';

export interface Route {
  /** As express writes it: `/documents/:docid`. */
  readonly path: string;
  readonly operations: { readonly [M in Method]?: Operation };
}

/** Ties the types of an operation's schemas to its handler, then forgets them. */
export function operation<Q = undefined, B = undefined>(spec: Operation<Q, B>): Operation {
  return spec;
}

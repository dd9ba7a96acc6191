import type { Graph } from '../models/onnx/graph.ts';
import { Session } from '../models/session.ts';

/**
 * Sessions kept open (an edit of a large model uses eleven), and the weights in them: what a session holds of a large model it
 * holds for itself.
 */
const MAX_SESSIONS = 16;
const MAX_SESSION_BYTES = 3 * 2 ** 30;

/** Sessions of graphs, opened once and kept while there is room for their weights. */
export class SessionCache {
  private readonly threads: number;
  /** The one used most recently is last. */
  private readonly open = new Map<string, { readonly session: Promise<Session>; readonly bytes: number }>();

  /** @param threads  cores that one run may use */
  constructor(threads: number) {
    this.threads = threads;
  }

  /**
   * Use the session before asking for another one: the one unused for longest is released.
   *
   * @param key  says which graph it is, and all that it was built from
   */
  async session(key: string, build: () => Graph): Promise<Session> {
    let one = this.open.get(key);
    this.open.delete(key);
    if (!one) {
      const graph = build();
      const bytes = graph.constantBytes;
      const session = this.makeRoom(bytes).then(() => Session.open(graph, { threads: this.threads }));
      session.catch(() => this.open.delete(key)); // there is no session to keep
      one = { session, bytes };
    }
    this.open.set(key, one);
    return one.session;
  }

  /** Releases the sessions unused for longest until one more with `bytes` of weights may be opened. */
  private async makeRoom(bytes: number): Promise<void> {
    let total = bytes;
    for (const one of this.open.values()) total += one.bytes;
    const leaving: Promise<Session>[] = [];
    for (const [key, one] of this.open) {
      if (this.open.size < MAX_SESSIONS && total <= MAX_SESSION_BYTES) break;
      this.open.delete(key);
      total -= one.bytes;
      leaving.push(one.session);
    }
    await Promise.all(leaving.map(async (session) => (await session).release()));
  }

  async close(): Promise<void> {
    const sessions = [...this.open.values()];
    this.open.clear();
    await Promise.all(sessions.map(async ({ session }) => (await session).release()));
  }
}

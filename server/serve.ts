import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ImportProgress } from '../corpus/import.ts';
import { EditorThread } from '../editing/editor-thread.ts';
import { createApp } from './app.ts';
import { baseOf, openDataFolder, type DataFolder } from './data-folder.ts';
import { EditService } from './edits.ts';
import { tidyExports } from './folding/exports.ts';
import { removeOtherBases } from './folding/fold.ts';
import { resumeImports } from './imports/work.ts';
import { IndexService } from './index-service.ts';
import { checkAdminKey, Keys } from './keys/keys.ts';
import { jsonLog, textLog, type Log, type LogFormat } from './log.ts';
import { watchState } from './metrics/watch-state.ts';
import { readModelInfo, type ModelInfo } from './model-info.ts';
import { checkRole, type Role } from './replication/role.ts';
import { beginSharing, orLeave, Sharing } from './replication/sharing.ts';
import { ServerState } from './route.ts';
import { checkRowSearch, removeOtherGraphs, rowGraphs, type RowSearch } from './row-graphs.ts';
import { tidySnapshots } from './snapshots/remove.ts';
import { foundIn } from './tasks/left-behind.ts';
import { TaskRegistry } from './tasks/registry.ts';

export interface ServeOptions {
  readonly modelDir: string;
  readonly dataDir: string;
  /** What to fill a new data folder from; the built-in corpus when left out. */
  readonly corpus?: string | undefined;
  /** 0 takes any free port. */
  readonly port: number;
  readonly host: string;
  /** Inference threads. @default 1 */
  readonly workers?: number;
  /** Cores of one inference. @default 1 */
  readonly threads?: number;
  /** Answers with the circuit that an analysis stored with the model. @default false */
  readonly circuit?: boolean;
  /** Multiplies with linear maps in eight bits; edits are computed in float32 all the same. @default false */
  readonly int8?: boolean;
  /** How the best docid rows of a query are found. @default auto: by their number, and how they lie */
  readonly rows?: RowSearch | 'auto';
  /** An admin key for this run, beside those of the data folder. */
  readonly adminKey?: string | undefined;
  /** Looking needs a key too. @default false */
  readonly lockSearch?: boolean;
  /** Requests in a minute from one key, or without one from one address; 0 for any number. @default 0 */
  readonly perMinute?: number;
  /** Origins whose pages may call; `*` for all. @default none */
  readonly corsOrigins?: readonly string[];
  /** Proxies in front that add to `X-Forwarded-For`. @default 0 */
  readonly proxies?: number;
  /** @default text */
  readonly logFormat?: LogFormat;
  /** Queries that may wait for an inference thread. @default 1024 */
  readonly maxQueue?: number;
  /** @default all */
  readonly role?: Role;
  /** Where the stream of edits is, for another role than `all`. */
  readonly databaseUrl?: string | undefined;
  /** Time for requests under way when the server closes. @default 10,000 */
  readonly drainMs?: number;
  readonly log?: (line: string) => void;
  readonly onImport?: (progress: ImportProgress) => void;
}

/** The port cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  readonly port: number;
  readonly code: string | undefined;
  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    super(`${host}:${port}: expected a free port, got ${listenProblem(cause)}`, { cause });
    this.port = port;
    this.code = cause.code;
  }
}

function listenProblem({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE') return 'one that another program listens on; stop it, or choose another with --port';
  if (code === 'EACCES') return 'one that needs more rights; choose another with --port';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return 'an address that this machine does not have; choose another with --host';
  return message;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly state: ServerState;
  readonly index: IndexService;
  readonly tasks: TaskRegistry;
  readonly data: DataFolder;
  /** The admin key that this start made, where the data folder had none: to be shown, since it cannot be read again. */
  readonly newAdminKey: string | undefined;
  /** Stops taking connections, interrupts tasks, lets requests end within `drainMs`, then closes model and data. */
  close(): Promise<void>;
}

/**
 * Starts a server and returns when it answers. It listens first, so that a taken port is told before anything is
 * written, and so that `/livez` and `/readyz` answer while the model loads.
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const write = options.log ?? ((line: string) => void process.stderr.write(`${line}\n`));
  const log = options.logFormat === 'json' ? jsonLog(write) : textLog(write);
  const { role = 'all', databaseUrl } = options;
  checkRole(role, databaseUrl);
  const model = await readModelInfo(options.modelDir, { circuit: options.circuit ?? false });
  checkRowSearch(options.rows ?? 'auto', model); // before anything is written
  if (options.adminKey !== undefined) checkAdminKey(options.adminKey);
  const state = new ServerState();
  state.searchLocked = options.lockSearch ?? false;
  watchState(state.metrics, state);
  const http = createServer(createApp(state, log, options));
  const port = await listen(http, options.host, options.port);
  let data: DataFolder | undefined;
  let sharing: Sharing | undefined;
  try {
    const withOthers =
      databaseUrl === undefined ? undefined : { role, databaseUrl, model, dataDir: options.dataDir, log };
    const beginning = withOthers && (await beginSharing(withOthers));
    data = await orLeave(beginning, () =>
      openDataFolder({ ...dataOptions(options, model), follows: beginning?.follows }),
    );
    const opened = data;
    tidy(opened);
    if (withOthers) state.sharing = sharing = await Sharing.open(withOthers, beginning!, opened);
    const tasks = new TaskRegistry(data.store, log, foundIn(data.store));
    const index = await openIndex(options, model, data, state, log);
    state.current = index;
    state.registry = tasks;
    sharing?.replica.publishTo(index);
    const edits = new EditService(index, editorThread(options, model, data), state.metrics, () =>
      sharing?.replica.checkEdits(),
    );
    state.editor = edits;
    state.opener = async (folded) => {
      const next = await openIndex(options, folded, opened, state, log);
      const before = state.index;
      state.current = next;
      await edits.replace(next, editorThread(options, folded, opened));
      await before.retire();
    };
    const keys = new Keys(data.store, options.adminKey);
    const mayMakeKeys = options.adminKey === undefined && (!sharing || sharing.replica.status.edits);
    const makeFirst = () => keys.makeFirst({ name: 'first start', requestId: null });
    const newAdminKey = mayMakeKeys ? await state.share(makeFirst) : undefined; // last: a start that fails shows none
    state.keyring = keys;
    resumeImports(tasks, { dataDir: data.dir, edits: () => state.edits, log });
    state.phase = 'ready';
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => (closing ??= shutDown(http, state, opened, options.drainMs ?? 10_000));
    const url = `http://${urlHost(options.host)}:${port}`;
    return { url, port, state, index, tasks, data, newAdminKey, close };
  } catch (error) {
    await sharing?.close();
    data?.close();
    http.close();
    http.closeAllConnections();
    throw error;
  }
}

async function openIndex(
  options: ServeOptions,
  model: ModelInfo,
  { store, corpusName, dir }: DataFolder,
  state: ServerState,
  log: Log,
): Promise<IndexService> {
  const { workers = 1, threads = 1, maxQueue = 1024, int8 = false, rows = 'auto' } = options;
  const onBatch = (times: Parameters<typeof state.metrics.batchDone>[0]): void => state.metrics.batchDone(times);
  const rowShards = await rowGraphs(rows, model, dir, log);
  return IndexService.open({ store, model, corpusName, workers, threads, maxQueue, int8, rowShards, onBatch });
}

/** Removes what a process that was killed left half made. */
function tidy({ dir, store }: DataFolder): void {
  removeOtherBases(dir, baseOf(store).folder);
  removeOtherGraphs(dir, baseOf(store).version);
  tidyExports(dir);
  tidySnapshots(dir);
}

/** It starts with the first edit: it needs a model of its own, and reads a bank of queries. */
function editorThread(
  { threads, circuit, databaseUrl }: ServeOptions,
  { dir, version, base }: ModelInfo,
  data: DataFolder,
): EditorThread {
  const where = { modelDir: dir, path: data.store.database.name, dataDir: data.dir, databaseUrl };
  return new EditorThread({ ...where, version, base, threads, circuit });
}

function dataOptions({ dataDir, corpus, onImport }: ServeOptions, model: ModelInfo) {
  return { dir: dataDir, corpus, model, ...(onImport && { onProgress: onImport }) };
}

function listen(http: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => reject(new ListenError(host, port, error)));
    http.listen(port, host, () => resolve((http.address() as AddressInfo).port));
  });
}

async function shutDown(http: Server, state: ServerState, data: DataFolder, drainMs: number): Promise<void> {
  state.phase = 'closing';
  const drained = new Promise<void>((resolve) => http.close(() => resolve()));
  const limit = setTimeout(() => http.closeAllConnections(), drainMs);
  await state.registry?.close(drainMs);
  await drained;
  clearTimeout(limit);
  await state.editor?.close();
  await state.sharing?.close();
  await state.current?.close();
  state.sharing = undefined;
  state.current = undefined;
  state.registry = undefined;
  state.editor = undefined;
  state.opener = undefined;
  state.keyring = undefined;
  data.close();
}

/** A host as a browser reaches it. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::' || host === '127.0.0.1') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

import { databaseUrlVariable } from '../../editing/stream/database-url.ts';
import { banner } from '../banner.ts';
import { currentModel } from '../data-folder.ts';
import { adminKeyVariable } from '../keys/errors.ts';
import { limits } from '../limits.ts';
import { logFormats, type LogFormat } from '../log.ts';
import { builtinModel } from '../paths.ts';
import { roles, type Role } from '../replication/role.ts';
import { manyRows, rowSearches, type RowSearch } from '../row-graphs.ts';
import { startServer, type RunningServer } from '../serve.ts';
import { defineCommand, integer, oneOf, UsageError, type Note } from './command.ts';
import { importBar } from './import-bar.ts';
import { corpusOption, modelOption, threadsOption } from './shared-options.ts';

interface Options {
  model?: string;
  corpus?: string;
  data: string;
  port: number;
  host: string;
  workers: number;
  threads: number;
  circuit?: boolean;
  int8?: boolean;
  rows: RowSearch | 'auto';
  lockSearch?: boolean;
  perMinute: number;
  corsOrigins?: string[];
  proxies: number;
  logFormat: LogFormat;
  role: Role;
  databaseUrl?: string;
}

export const serve = defineCommand<Options, RunningServer>({
  name: 'serve',
  summary: 'answer queries over HTTP; edits live in the data folder',
  options: {
    model: modelOption,
    corpus: corpusOption,
    data: {
      flags: '--data <dir>',
      description: 'data folder, made from the corpus at the first start',
      default: './data',
    },
    port: {
      flags: '--port <n>',
      description: 'port to listen on, 0 for any',
      parse: integer(0, 65535),
      default: 8080,
      env: 'PORT',
    },
    host: { flags: '--host <address>', description: 'address to listen on; 0.0.0.0 for all', default: '127.0.0.1' },
    workers: { flags: '--workers <n>', description: 'inference threads', parse: integer(1, 256), default: 1 },
    threads: threadsOption,
    circuit: {
      flags: '--circuit',
      description:
        'answer faster with the part of the decoder that analyze found to suffice; edits need the MLP that they change in it',
    },
    int8: {
      flags: '--int8',
      description:
        'multiply in eight bits: less memory, mostly faster; evaluate --int8 says what it costs. Edits are computed and measured in float32',
    },
    rows: {
      flags: '--rows <how>',
      description: `how the best of all docid rows are found: exact looks at each; hnsw follows graphs that are built at the first start, and misses few; auto: hnsw from ${manyRows.toLocaleString('en')} documents on, if their rows lie along few axes`,
      parse: oneOf(['auto', ...rowSearches]),
      default: 'auto',
    },
    lockSearch: { flags: '--lock-search', description: 'answer queries only with an API key' },
    perMinute: {
      flags: '--per-minute <n>',
      description: 'requests in a minute from one key, or without one from one address; 0 for any number',
      parse: integer(0, limits.perMinute),
      default: 0,
    },
    corsOrigins: {
      flags: '--cors-origins <origin...>',
      description: 'origins whose web pages may call, like https://example.org; * for all (default: none)',
    },
    proxies: {
      flags: '--proxies <n>',
      description: 'proxies in front, whose X-Forwarded-For tells the address of a caller',
      parse: integer(0, 100),
      default: 0,
    },
    role: {
      flags: '--role <role>',
      description:
        'all: everything in the data folder; editor, searcher: one of several servers with a database in common, of which the editor edits',
      parse: oneOf(roles),
      default: 'all',
      env: 'PALIMPSEST_ROLE',
    },
    databaseUrl: {
      flags: '--database-url <url>',
      description: `postgres://USER:PASSWORD@HOST/DATABASE of those servers; other users of the machine see arguments, so rather ${databaseUrlVariable}`,
    },
    logFormat: {
      flags: '--log-format <format>',
      description: 'text: what went wrong, in lines; json: every request too, an object a line',
      parse: oneOf(logFormats),
      default: 'text',
    },
  },
  async run({ model = builtinModel, data, ...options }, note) {
    if (options.int8 && options.circuit)
      throw new UsageError(
        '--int8: expected no --circuit beside it, got both; what they cost together was never measured',
      );
    const progress = importBar();
    // Not an option: other users of the machine see the arguments of a process.
    const adminKey = process.env[adminKeyVariable] || undefined;
    const where = { modelDir: await currentModel(data, model), dataDir: data };
    const databaseUrl = options.databaseUrl ?? (process.env[databaseUrlVariable] || undefined);
    const start = startServer({ ...options, ...where, databaseUrl, adminKey, log: note, onImport: progress.update });
    const server = await start.finally(progress.stop);
    note(banner(server));
    closeOnSignal(server, note);
    return server; // The process lives on, since the server listens.
  },
  json: ({ url, port, index }) => ({ url, port, modelVersion: index.model.version, documents: index.store.count() }),
  text: () => '',
});

/** Ends the server, and with it the process, on a signal; a second signal ends the process at once. */
function closeOnSignal(server: RunningServer, note: Note): void {
  let isClosing = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (isClosing) process.exit(1);
    isClosing = true;
    note(`${signal}: finishing what is under way, then closing`);
    server.close().catch((error: unknown) => {
      note(`closing: ${String(error)}`);
      process.exitCode = 1;
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

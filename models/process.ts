import { fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { setImmediate as delay } from 'node:timers/promises';

/** How far below the server's own processes long work runs, so that searches go first. */
const NICE = 10;

/** What a process says to the one that started it: how far it is, then what it made or why not. */
type FromProcess<Progress, Made, Fault> =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'done'; readonly made: Made }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface ProcessOptions<Progress, Fault> {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** The error again, of what the process made of it; or of a process that ended without a word. */
  readonly toError: (fault: Fault | string) => Error;
}

/**
 * Has a module of this project, given without its extension, do one long piece of work in a process of its own: runs of a
 * model block their thread, and what the C library's arenas keep of a thread's memory stays with the process. Resolves or
 * rejects once the process has ended; an aborted `signal` kills it.
 *
 * @throws what `toError` makes, or the reason of `signal`
 */
export async function runProcess<Progress, Made, Fault>(
  module: URL,
  setup: unknown,
  { signal, onProgress, toError }: ProcessOptions<Progress, Fault>,
): Promise<Made> {
  signal.throwIfAborted();
  const fromSource = import.meta.url.endsWith('.ts');
  const child = fork(new URL(`${module.href}${fromSource ? '.ts' : '.js'}`), {
    serialization: 'advanced',
    execArgv: fromSource ? ['--import', import.meta.resolve('tsx')] : [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop);
  try {
    return await new Promise<Made>((resolve, reject) => {
      let done: { readonly made: Made } | undefined;
      let error: Error | undefined;
      child.on('message', (message: FromProcess<Progress, Made, Fault>) => {
        if (message.kind === 'progress') onProgress(message.progress);
        else if (message.kind === 'done') done = message;
        else error = toError(message.fault);
      });
      child.once('error', ({ message }) => {
        error ??= toError(message);
        if (child.pid === undefined) reject(error); // it did not start, and nothing follows
      });
      child.once('close', (code, killedBy) => {
        if (done) resolve(done.made);
        else if (signal.aborted) reject(signal.reason as Error);
        else reject(error ?? toError(`stopped with ${killedBy ?? `code ${code}`}`));
      });
      child.send({ setup }, (failed) => failed && (error ??= toError(failed.message)));
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * The other side: does the work that `runProcess` asks for, then lets the process end. Where the one that asked is gone, the
 * process ends at its next report, before it writes what nobody waits for.
 */
export function workForParent<Setup, Progress, Made, Fault>(
  work: (setup: Setup, report: (progress: Progress) => void) => Made | Promise<Made>,
  describe: (error: unknown) => Fault,
): void {
  const parent = process.ppid;
  const endIfAlone = (): void => {
    if (process.ppid !== parent) process.exit(1);
  };
  const send = (message: FromProcess<Progress, Made, Fault>): void => {
    endIfAlone();
    process.send!(message);
  };
  const run = async ({ setup }: { readonly setup: Setup }): Promise<void> => {
    await delay(); // Node 20 fails where the channel is closed while the first message is given out
    try {
      send({ kind: 'done', made: await work(setup, (progress) => send({ kind: 'progress', progress })) });
    } catch (error) {
      send({ kind: 'failed', fault: describe(error) });
    }
    process.disconnect();
  };
  setPriority(NICE);
  process.once('disconnect', () => process.exit());
  process.once('message', (message) => void run(message as { readonly setup: Setup }));
}

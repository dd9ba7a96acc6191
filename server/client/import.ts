import { errorOf } from './error.ts';
import { unreachable } from './repeat.ts';
import type { CallOptions, Transport } from './transport.ts';
import type { ImportLine, NewDocument, Parameters, Task } from './types.ts';

export type ImportOptions = CallOptions & Omit<Parameters<'post_documents_import'>, 'task'>;

const path = '/documents/import';

/** Sends documents as lines of JSON while it reads the lines that come back. @throws PalimpsestError */
export async function* importDocuments(
  transport: Transport,
  documents: AsyncIterable<NewDocument> | Iterable<NewDocument>,
  options: ImportOptions,
): AsyncGenerator<ImportLine, void, undefined> {
  yield* sendDocuments(transport, documents, options, (response) => readLines(response.body!));
}

/** The same, of which the server makes a task when all have come. @throws PalimpsestError */
export async function importInTask(
  transport: Transport,
  documents: AsyncIterable<NewDocument> | Iterable<NewDocument>,
  options: ImportOptions,
): Promise<Task> {
  const answer = sendDocuments(transport, documents, { ...options, task: true }, async function* (response) {
    yield (await response.json()) as Task;
  });
  for await (const task of answer) return task;
  throw new Error('import: expected a task, got none');
}

async function* sendDocuments<T>(
  { url, headers, fetch: ask }: Transport,
  documents: AsyncIterable<NewDocument> | Iterable<NewDocument>,
  { signal, ...parameters }: ImportOptions & { readonly task?: boolean },
  read: (response: Response) => AsyncGenerator<T, void, undefined>,
): AsyncGenerator<T, void, undefined> {
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  const body = linesOf(documents, stop.signal);
  const asked = Object.entries(parameters).map(([name, value]): [string, string] => [name, String(value)]);
  try {
    const response = await ask(`${url}${path}?${new URLSearchParams(asked).toString()}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: body.stream,
      duplex: 'half', // else fetch refuses a stream
      signal: stop.signal,
    });
    if (!response.ok) throw errorOf(response, await response.json().catch(() => undefined));
    yield* read(response);
  } catch (error) {
    if (body.failure) throw body.failure.error;
    signal?.throwIfAborted();
    throw error instanceof TypeError ? unreachable(url + path, error) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort(); // Where the caller has read enough, nothing more is sent.
  }
}

/** A source that never waits lets others have their turn after so many. */
const documentsInTurn = 256;

interface Lines {
  readonly stream: ReadableStream<Uint8Array>;
  /** What the source of the documents threw. */
  failure?: { readonly error: unknown };
}

/** One document after the other, as the connection takes them, until `signal` ends it: fetch itself would read on. */
function linesOf(documents: AsyncIterable<NewDocument> | Iterable<NewDocument>, signal: AbortSignal): Lines {
  const source = (async function* () {
    yield* documents;
  })();
  const encoder = new TextEncoder();
  let asked = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        if (++asked % documentsInTurn === 0) await nextTurn();
        const { done, value } = signal.aborted ? await source.return() : await source.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      } catch (error) {
        lines.failure = { error };
        controller.error(error);
      }
    },
    cancel: async () => void (await source.return()),
  });
  const lines: Lines = { stream };
  return lines;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** What each line of an answer says, as soon as it comes. */
export async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<ImportLine, void, undefined> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (let piece; !(piece = await reader.read()).done;) {
    const lines = (rest + piece.value).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line) yield JSON.parse(line) as ImportLine;
  }
}

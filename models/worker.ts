/**
 * @file The inference thread: owns a decoder, answers one batch at a time, switches versions between batches.
 * Messages are handled strictly in order, so a version holds for every batch sent after it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type { DecoderOptions, ModelVersion, Retrieved, RetrieveInput } from './decode.ts';
import { readModelFolder } from './folder.ts';
import { openDecoder, type Decoder } from './open-decoder.ts';
import type { BatchTimes } from './pool.ts';

export interface WorkerSetup extends DecoderOptions {
  readonly modelDir: string;
}

export type ToWorker =
  | { readonly kind: 'retrieve'; readonly id: number; readonly inputs: readonly RetrieveInput[] }
  | { readonly kind: 'publish'; readonly id: number; readonly version: ModelVersion }
  | { readonly kind: 'close' };

export type FromWorker =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'retrieved';
      readonly id: number;
      readonly editSeq: number;
      readonly results: readonly Retrieved[];
      readonly times: Omit<BatchTimes, 'waitMs'>;
    }
  | { readonly kind: 'published'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number | undefined; readonly message: string };

const port = parentPort!;
const send = (message: FromWorker): void => port.postMessage(message);
const { modelDir, ...options } = workerData as WorkerSetup;

async function handle(decoder: Decoder, message: ToWorker): Promise<void> {
  switch (message.kind) {
    case 'retrieve': {
      const startMs = performance.now();
      const results = await decoder.retrieve(message.inputs);
      const { tokenizeMs, encodeMs } = decoder;
      const times = { tokenizeMs, encodeMs, totalMs: performance.now() - startMs };
      return send({ kind: 'retrieved', id: message.id, editSeq: decoder.editSeq, results, times });
    }
    case 'publish':
      await decoder.publish(message.version);
      return send({ kind: 'published', id: message.id });
    case 'close':
      await decoder.close();
      return port.close();
  }
}

/** Opening a model leaves two copies of its weights behind, which V8 would keep until it next feels pressed. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

try {
  const decoder = await openDecoder(readModelFolder(modelDir), options);
  await decoder.retrieve([{ query: 'warm up', k: 1 }]);
  collectGarbage();
  let turn = Promise.resolve();
  port.on('message', (message: ToWorker) => {
    turn = turn
      .then(() => handle(decoder, message))
      .catch((error: unknown) =>
        send({
          kind: 'failed',
          id: 'id' in message ? message.id : undefined,
          message: error instanceof Error ? error.message : String(error),
        }),
      );
  });
  send({ kind: 'ready' });
} catch (error) {
  send({ kind: 'failed', id: undefined, message: error instanceof Error ? error.message : String(error) });
  port.close();
}

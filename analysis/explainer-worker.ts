/**
 * @file The thread that explains. It opens the folder as it lies on disk: for an edited model, whoever starts it would send
 * the edits along and give `Lab` a folder whose `tensor` and `genir` know them.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { circuitOf, storedCircuit } from '../models/circuit-record.ts';
import { readModelFolder } from '../models/folder.ts';
import { Explainer } from './explain.ts';
import type { Explanation } from './explanation.ts';
import { Lab } from './lab.ts';
import { storedStages } from './stages.ts';

export interface ExplainerSetup {
  readonly modelDir: string;
  /** Explains the circuit that is stored with the model in place of the whole decoder. */
  readonly circuit: boolean;
}

export type ToExplainer =
  | { readonly kind: 'explain'; readonly id: number; readonly query: string; readonly documents: readonly number[] }
  | { readonly kind: 'close' };

export type FromExplainer =
  | { readonly kind: 'explained'; readonly id: number; readonly explanations: readonly Explanation[] }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

const port = parentPort!;
const send = (message: FromExplainer): void => port.postMessage(message);
const { modelDir, circuit } = workerData as ExplainerSetup;
const lab = new Lab(readModelFolder(modelDir));
const explainer = new Explainer(lab, {
  stages: storedStages(modelDir, lab.genir, lab.layers),
  circuit: circuit ? circuitOf(storedCircuit(modelDir, lab.genir, lab.config)) : undefined,
});

async function handle(message: ToExplainer): Promise<void> {
  if (message.kind === 'close') {
    await lab.close();
    return port.close();
  }
  const { id, query, documents } = message;
  try {
    const explanations: Explanation[] = [];
    for (const document of documents) explanations.push(await explainer.explain(query, { document }));
    send({ kind: 'explained', id, explanations });
  } catch (error) {
    send({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
  }
}

let turn = Promise.resolve();
port.on('message', (message: ToExplainer) => {
  turn = turn.then(() => handle(message));
});

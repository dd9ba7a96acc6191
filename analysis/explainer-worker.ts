/**
 * @file The thread that explains: the model as it was trained, or the version of it that came last. Each version opens anew,
 * since weights are constants of its graphs.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { circuitOf, storedCircuit } from '../models/circuit-record.ts';
import { readModelFolder } from '../models/folder.ts';
import { Explainer } from './explain.ts';
import { versionFolder, type ExplainedVersion } from './explain-version.ts';
import type { Explanation } from './explanation.ts';
import { Lab } from './lab.ts';
import { storedStages } from './stages.ts';

export interface ExplainerSetup {
  readonly modelDir: string;
  /** Explains the circuit that is stored with the model in place of the whole decoder. */
  readonly circuit: boolean;
}

export type ToExplainer =
  /** What later explanations are of. */
  | { readonly kind: 'version'; readonly version: ExplainedVersion }
  | { readonly kind: 'explain'; readonly id: number; readonly query: string; readonly documents: readonly number[] }
  | { readonly kind: 'close' };

export type FromExplainer =
  | { readonly kind: 'explained'; readonly id: number; readonly explanations: readonly Explanation[] }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

const port = parentPort!;
const send = (message: FromExplainer): void => port.postMessage(message);
const { modelDir, circuit } = workerData as ExplainerSetup;
const base = readModelFolder(modelDir);

/** A version that is ready to be explained. */
interface Opened {
  readonly lab: Lab;
  readonly explainer: Explainer;
  /** Where the document of a row is in the lab. */
  readonly placeOf: (row: number) => number;
}

function open(version: ExplainedVersion | undefined): Opened {
  const { folder, places } = version ? versionFolder(base, version) : { folder: base, places: undefined };
  const lab = new Lab(folder);
  const explainer = new Explainer(lab, {
    stages: storedStages(modelDir, lab.genir, lab.layers),
    circuit: circuit ? circuitOf(storedCircuit(modelDir, lab.genir, lab.config)) : undefined,
    editSeq: version?.model.editSeq ?? 0,
  });
  return { lab, explainer, placeOf: (row) => (places ? places[row] : row) };
}

let version: ExplainedVersion | undefined;
let opened: Opened | undefined;

async function explain(query: string, documents: readonly number[]): Promise<Explanation[]> {
  const { explainer, placeOf } = (opened ??= open(version));
  const explanations: Explanation[] = [];
  for (const row of documents) explanations.push(await explainer.explain(query, { document: placeOf(row) }));
  return explanations;
}

async function handle(message: ToExplainer): Promise<void> {
  if (message.kind === 'explain') {
    const { id, query, documents } = message;
    try {
      return send({ kind: 'explained', id, explanations: await explain(query, documents) });
    } catch (error) {
      return send({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    }
  }
  await opened?.lab.close();
  opened = undefined;
  if (message.kind === 'version') version = message.version;
  else port.close();
}

let turn = Promise.resolve();
port.on('message', (message: ToExplainer) => {
  turn = turn.then(() => handle(message));
});

/**
 * @file The thread that explains: the model as it was trained, or the version of it that came last. Each version opens anew,
 * since weights are constants of its graphs.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { readModelFolder } from '../models/folder.ts';
import { versionFolder, type ExplainedVersion } from './explain-version.ts';
import type { AnyExplanation } from './explanation.ts';
import { openExplainer, type AnyExplainer } from './open-explainer.ts';

export interface ExplainerSetup {
  readonly modelDir: string;
  /** Explains the circuit that is stored with the model in place of the whole decoder. */
  readonly circuit: boolean;
}

export type ToExplainer =
  /** What later explanations are of. */
  | { readonly kind: 'version'; readonly version: ExplainedVersion }
  | {
      readonly kind: 'explain';
      readonly id: number;
      readonly query: string;
      readonly documents: readonly number[];
      readonly beams: number | undefined;
    }
  | { readonly kind: 'close' };

export type FromExplainer =
  | { readonly kind: 'explained'; readonly id: number; readonly explanations: readonly AnyExplanation[] }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

const port = parentPort!;
const send = (message: FromExplainer): void => port.postMessage(message);
const { modelDir, circuit } = workerData as ExplainerSetup;
const base = readModelFolder(modelDir);

/** A version that is ready to be explained. */
interface Opened {
  readonly explainer: AnyExplainer;
  /** Where the document of a row is in the explainer's folder. */
  readonly placeOf: (row: number) => number;
}

async function open(version: ExplainedVersion | undefined): Promise<Opened> {
  const { folder, places } = version ? versionFolder(base, version) : { folder: base, places: undefined };
  const explainer = await openExplainer(folder, { editSeq: version?.model.editSeq ?? 0, circuit });
  return { explainer, placeOf: (row) => (places ? places[row] : row) };
}

let version: ExplainedVersion | undefined;
let opened: Opened | undefined;

async function explain(
  query: string,
  documents: readonly number[],
  beams: number | undefined,
): Promise<AnyExplanation[]> {
  const { explainer, placeOf } = (opened ??= await open(version));
  const explanations: AnyExplanation[] = [];
  for (const row of documents) explanations.push(await explainer.explain(query, placeOf(row), beams));
  return explanations;
}

async function handle(message: ToExplainer): Promise<void> {
  if (message.kind === 'explain') {
    const { id, query, documents, beams } = message;
    try {
      return send({ kind: 'explained', id, explanations: await explain(query, documents, beams) });
    } catch (error) {
      return send({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    }
  }
  await opened?.explainer.close();
  opened = undefined;
  if (message.kind === 'version') version = message.version;
  else port.close();
}

let turn = Promise.resolve();
port.on('message', (message: ToExplainer) => {
  turn = turn.then(() => handle(message));
});

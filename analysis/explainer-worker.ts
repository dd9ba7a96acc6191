/**
 * @file The thread that explains: the model as it was trained, or the version of it that came last. Each version opens anew,
 * since weights are constants of its graphs.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { circuitOf, storedCircuit } from '../models/circuit-record.ts';
import { readModelFolder } from '../models/folder.ts';
import { Explainer } from './explain.ts';
import { PathExplainer } from './explain-path.ts';
import { versionFolder, type ExplainedVersion } from './explain-version.ts';
import type { AnyExplanation } from './explanation.ts';
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
  /** @param place  of the document, among those of the version's folder */
  explain(query: string, place: number, beams: number | undefined): Promise<AnyExplanation>;
  close(): Promise<void>;
  /** Where the document of a row is in the folder. */
  readonly placeOf: (row: number) => number;
}

async function open(version: ExplainedVersion | undefined): Promise<Opened> {
  const { folder, places } = version ? versionFolder(base, version) : { folder: base, places: undefined };
  const placeOf = (row: number): number => (places ? places[row] : row);
  const editSeq = version?.model.editSeq ?? 0;
  if (folder.genir && folder.genir.scheme !== 'atomic') {
    const explainer = await PathExplainer.open(folder, { editSeq });
    const explain: Opened['explain'] = (query, document, beams) => explainer.explain(query, { document, beams });
    return { explain, close: () => explainer.close(), placeOf };
  }
  const lab = new Lab(folder);
  const explainer = new Explainer(lab, {
    stages: storedStages(modelDir, lab.genir, lab.layers),
    circuit: circuit ? circuitOf(storedCircuit(modelDir, lab.genir, lab.config)) : undefined,
    editSeq,
  });
  return { explain: (query, document) => explainer.explain(query, { document }), close: () => lab.close(), placeOf };
}

let version: ExplainedVersion | undefined;
let opened: Opened | undefined;

async function explain(
  query: string,
  documents: readonly number[],
  beams: number | undefined,
): Promise<AnyExplanation[]> {
  opened ??= await open(version);
  const explanations: AnyExplanation[] = [];
  for (const row of documents) explanations.push(await opened.explain(query, opened.placeOf(row), beams));
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
  await opened?.close();
  opened = undefined;
  if (message.kind === 'version') version = message.version;
  else port.close();
}

let turn = Promise.resolve();
port.on('message', (message: ToExplainer) => {
  turn = turn.then(() => handle(message));
});

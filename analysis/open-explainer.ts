import { circuitOf, storedCircuit } from '../models/circuit-record.ts';
import type { ModelFolder } from '../models/folder.ts';
import { NotAnIndexError } from '../models/genir.ts';
import { Explainer } from './explain.ts';
import { PathExplainer } from './explain-path.ts';
import type { AnyExplanation } from './explanation.ts';
import { Lab } from './lab.ts';
import { storedStages } from './stages.ts';

/** What explains retrievals of a model, whatever its docids are made of. */
export interface AnyExplainer {
  /**
   * @param document  its place in the docid table; the model's best where undefined
   * @param beams     of the search that is explained, where docids are paths
   * @throws RangeError  when the model has no such document
   */
  explain(query: string, document?: number, beams?: number): Promise<AnyExplanation>;
  close(): Promise<void>;
}

/** A docid of no document of the model. */
export class DocidNotInModelError extends Error {
  override readonly name = 'DocidNotInModelError';
  readonly docid: string;
  constructor(dir: string, docid: string) {
    super(
      `${dir}: expected the docid of a document in the model, got '${docid}'; leave it out for the best document, or take one that "retrieve" finds`,
    );
    this.docid = docid;
  }
}

/** @throws NotAnIndexError, DocidNotInModelError */
export function documentOf({ dir, genir }: Pick<ModelFolder, 'dir' | 'genir'>, docid: string): number {
  if (!genir) throw new NotAnIndexError(dir);
  const document = genir.docids.indexOf(docid);
  if (document < 0) throw new DocidNotInModelError(dir, docid);
  return document;
}

export interface OpenExplainerOptions {
  /** Number of the last edit that the folder's weights contain. @default 0 */
  readonly editSeq?: number;
  /** Explains the circuit that is stored with the model in place of the whole decoder. @default false */
  readonly circuit?: boolean;
}

/** @throws NotAnIndexError, StagesError, CircuitError */
export async function openExplainer(
  folder: ModelFolder,
  { editSeq = 0, circuit = false }: OpenExplainerOptions = {},
): Promise<AnyExplainer> {
  if (folder.genir && folder.genir.scheme !== 'atomic') {
    const explainer = await PathExplainer.open(folder, { editSeq });
    return {
      explain: (query, document, beams) => explainer.explain(query, { document, beams }),
      close: () => explainer.close(),
    };
  }
  const lab = new Lab(folder);
  const explainer = new Explainer(lab, {
    stages: storedStages(folder.dir, lab.genir, lab.layers),
    circuit: circuit ? circuitOf(storedCircuit(folder.dir, lab.genir, lab.config)) : undefined,
    editSeq,
  });
  return { explain: (query, document) => explainer.explain(query, { document }), close: () => lab.close() };
}

/** @file The deltas of the edited layers as a function of the entries in force, by each method. */
import type { WeightDelta } from '../models/decode.ts';
import { outputWeight } from './edit-graphs.ts';
import type { EditModel } from './edit-model.ts';
import { solveEquations } from './linear-algebra/solve-graph.ts';
import { Ledger } from './methods/ledger.ts';
import { mergeKeys } from './methods/merge-keys.ts';
import type { EditedLayer, EditPairs, Editor, PriorOptions } from './methods/method.ts';
import { editMethods, type EditMethodName, type EditOptions } from './methods/table.ts';
import type { WeightSettings } from './presets.ts';
import type { QueryBank } from './query-bank.ts';
import type { EditLab } from './reading.ts';
import { giveWay } from './right-of-way.ts';

/** Pairs in force under the id of their entry, in the order of ids. */
export type LayerPairs = ReadonlyMap<string, EditPairs>;

/** ΔW of one layer, float32 [F, D]; undefined without pairs. */
interface LayerEdits {
  delta(pairs: LayerPairs): Promise<Float32Array | undefined> | Float32Array | undefined;
}

/** The ledger, moved from one set to another by what is different. */
class LedgerEdits implements LayerEdits {
  private readonly lab: EditLab;
  private readonly ledger: Ledger;
  private readonly ids = new Set<string>();

  constructor(lab: EditLab, layer: EditedLayer, options: PriorOptions) {
    this.lab = lab;
    this.ledger = new Ledger(layer, options);
  }

  async delta(pairs: LayerPairs): Promise<Float32Array | undefined> {
    for (const id of this.ids)
      if (!pairs.has(id)) {
        this.ledger.remove(id);
        this.ids.delete(id);
      }
    for (const [id, one] of pairs)
      if (this.ids.has(id)) this.ledger.hold(id, one);
      else {
        this.ledger.add(id, one);
        this.ids.add(id);
      }
    if (!this.ids.size) return undefined;
    giveWay();
    const { left, right } = this.ledger.equations();
    return solveEquations(this.lab, left, right, 'ledger');
  }
}

/** Methods that edit the edited weights: replayed in the order of ids from where the order is another one. */
class SequentialEdits implements LayerEdits {
  private readonly editor: Editor;
  private readonly merge: (pairs: EditPairs) => EditPairs;
  private done: { readonly ids: readonly string[]; readonly delta: Float32Array | undefined } = {
    ids: [],
    delta: undefined,
  };

  constructor(editor: Editor, merge: (pairs: EditPairs) => EditPairs) {
    this.editor = editor;
    this.merge = merge;
  }

  delta(pairs: LayerPairs): Float32Array | undefined {
    const ids = [...pairs.keys()];
    const goesOn = this.done.ids.every((id, i) => ids[i] === id);
    let current = goesOn ? this.done.delta : undefined;
    const history = ids.map((id) => this.merge(pairs.get(id)!));
    for (let i = goesOn ? this.done.ids.length : 0; i < ids.length; i++)
      current = this.editor({ pairs: history[i], history: history.slice(0, i), ...(current && { current }) });
    this.done = { ids, delta: current };
    return current;
  }
}

/** λ and ε of these methods count old documents, as shares of all there are. */
function scaled<M extends EditMethodName>(options: EditOptions[M], documents: number): EditOptions[M] {
  if (!('lambda' in options)) return options;
  return { ...options, lambda: options.lambda * documents, ridge: options.ridge * documents };
}

function layerEdits<M extends EditMethodName>(
  lab: EditLab,
  method: M,
  options: EditOptions[M],
  layer: EditedLayer,
  documents: number,
): LayerEdits {
  const inUse = scaled<M>(options, documents);
  if (method === 'ledger') return new LedgerEdits(lab, layer, inUse as PriorOptions);
  const oneKey = (pairs: EditPairs): EditPairs => mergeKeys(layer, pairs, -1);
  return new SequentialEdits(editMethods[method].prepare(layer, inUse), method === 'rome' ? oneKey : (pairs) => pairs);
}

export class WeightEdits {
  private readonly model: EditModel;
  private readonly bank: QueryBank;
  private readonly settings: WeightSettings | null;
  private readonly layers = new Map<number, LayerEdits>();

  constructor(model: EditModel, bank: QueryBank, settings: WeightSettings | null) {
    this.model = model;
    this.bank = bank;
    this.settings = settings;
  }

  /** @param pairs  of each edited layer, by entry id */
  async deltas(pairs: ReadonlyMap<number, LayerPairs>): Promise<WeightDelta[]> {
    if (!this.settings) return [];
    const deltas: WeightDelta[] = [];
    for (const layer of this.model.layers) {
      let edits = this.layers.get(layer);
      const inForce = pairs.get(layer) ?? new Map<string, EditPairs>();
      if (!edits && !inForce.size) continue;
      if (!edits) {
        const edited = { covariance: this.bank.covariance(layer), d_model: this.model.lab.config.d_model };
        const { lab, documents } = this.model;
        edits = layerEdits(lab, this.settings.method, this.settings.options, edited, documents);
        this.layers.set(layer, edits);
      }
      const delta = await edits.delta(inForce);
      if (delta) deltas.push({ weight: outputWeight(layer), delta });
    }
    return deltas;
  }
}

/**
 * @file Circuits: the published one for the stages of a model, and the search for the smallest that still answers
 * (arXiv 2503.19715 §5.1, Table 4).
 */
import {
  count,
  encodeMeans,
  type Circuit,
  type LayerCircuit,
  type StoredCircuit,
  type Treatment,
} from '../models/circuit-record.ts';
import type { ActivationName } from '../models/activations.ts';
import { componentTypes, outputOf, type ComponentType } from './components.ts';
import type { Patch } from './patch.ts';
import { layersFrom } from './patch-runs.ts';
import { stageOf, storeInGenir, type StageName, type Stages } from './stages.ts';

export type Layers = readonly LayerCircuit[];

const whole: LayerCircuit = { attn: 'keep', cross_attn: 'keep', mlp: 'keep' };

/** What Table 4 makes of the layers of each stage. */
const published = {
  priming: { attn: 'zero', cross_attn: 'zero', mlp: 'mean' },
  bridging: { attn: 'zero', cross_attn: 'keep', mlp: 'mean' },
  interaction: { attn: 'zero', cross_attn: 'keep', mlp: 'keep' },
} as const satisfies Record<StageName, LayerCircuit>;

/** The published circuit of a model with these stages. Layers of no stage are kept whole. */
export function publishedCircuit(stages: Stages): LayerCircuit[] {
  return layersFrom(0, stages.layers).map((layer) => {
    const stage = stageOf(stages, layer);
    return stage ? published[stage] : whole;
  });
}

export const wholeDecoder = (layers: number): LayerCircuit[] => Array.from({ length: layers }, () => whole);

/** Components that work. */
export const keptIn = (layers: Layers): number => count(layers, 'keep');

/** Means of the components that have one in `layers`, in the order in which they write. */
export const circuitMeans = (layers: Layers, mean: (at: ActivationName) => Float32Array): Float32Array[] =>
  layers.flatMap((one, layer) =>
    componentTypes.filter((type) => one[type] === 'mean').map((type) => mean(outputOf(type, layer))),
  );

const nobody = new Uint8Array(0);

/** One patch for every component, also those that work, so that all circuits share one session. */
export function circuitPatches(layers: Layers, mean: (at: ActivationName) => Float32Array): Patch[] {
  return layers.flatMap((one, layer) =>
    componentTypes.map((type): Patch => {
      const at = outputOf(type, layer);
      if (one[type] === 'keep') return { at, by: 'zero', queries: nobody };
      return { at, by: one[type] === 'zero' ? 'zero' : mean(at) };
    }),
  );
}

/** As it is kept in `genir.json`. */
export const toStored = (
  { layers, means }: Circuit,
  { queries, loss }: Pick<StoredCircuit, 'queries' | 'loss'>,
): StoredCircuit => ({ version: 1, layers: [...layers], means: encodeMeans(means), queries, loss });

/**
 * Puts a circuit into the model's `genir.json`.
 *
 * @throws ModelFolderError, GenirWriteError
 */
export const storeCircuit = (dir: string, circuit: StoredCircuit): void => storeInGenir(dir, { circuit });

// ---------------------------------------------------------------------------------------------- search

export interface Component {
  readonly layer: number;
  readonly type: ComponentType;
}

/** A component made a constant, or made to work again. */
export interface Change extends Component {
  readonly to: Treatment;
}

/** What a circuit does to the queries that it is searched with. */
export interface Effect {
  /** Share of them that lose rank 1. */
  readonly lost: number;
  /** Mean of log(1 + e^−margin): the log loss of a document against the best other entry. Queries in no danger count little. */
  readonly logLoss: number;
}

/** A change that was made, and where it led. */
export type Step = Change & Effect & { readonly kept: number };

export interface SearchOptions {
  readonly layers: number;
  /** Share of the queries that may lose rank 1. */
  readonly maxLoss: number;
  /** Components that have to work. */
  readonly required?: readonly Component[];
  readonly evaluate: (layers: Layers) => Promise<Effect>;
}

interface Candidate extends Change {
  readonly effect: Effect;
  /** Number of changes made when `effect` was measured. */
  readonly measured: number;
}

const isSame = (a: Component, b: Component): boolean => a.layer === b.layer && a.type === b.type;
const change = (layers: Layers, { layer, type, to }: Change): LayerCircuit[] =>
  layers.map((one, i) => (i === layer ? { ...one, [type]: to } : one));
const componentsWith = (layers: Layers, test: (treatment: Treatment) => boolean): Component[] =>
  layers.flatMap((one, layer) => componentTypes.filter((type) => test(one[type])).map((type) => ({ layer, type })));

/** Log losses that are alike when rounded to this are equal. */
const TIE = 1e-6;

/** The lesser log loss; of equal ones zero before the mean, then the first that writes. */
const byLoss = (a: Candidate, b: Candidate): number =>
  Math.round(a.effect.logLoss / TIE) - Math.round(b.effect.logLoss / TIE) ||
  Number(a.to === 'mean') - Number(b.to === 'mean') ||
  a.layer - b.layer ||
  componentTypes.indexOf(a.type) - componentTypes.indexOf(b.type);

/**
 * The smallest circuit that a greedy search finds. Backward elimination: of all replacements of a working component by
 * zero or its mean the one of least log loss is made, as long as no more queries than allowed lose rank 1. A candidate
 * is measured anew only when it is the best by what was measured before (lazy greedy search): losses rarely fall as more
 * is replaced. Then the component that helps most is made to work again, and kept so where two others become needless.
 */
export async function searchCircuit({ layers: L, maxLoss, required = [], evaluate }: SearchOptions): Promise<{
  layers: LayerCircuit[];
  effect: Effect;
  steps: Step[];
}> {
  interface State {
    readonly layers: LayerCircuit[];
    readonly effect: Effect;
    readonly steps: Step[];
  }
  const made = (state: State, one: Change, effect: Effect): State => {
    const layers = change(state.layers, one);
    const { layer, type, to } = one;
    return { layers, effect, steps: [...state.steps, { layer, type, to, ...effect, kept: keptIn(layers) }] };
  };

  async function eliminate(state: State, fixed: readonly Component[]): Promise<State> {
    const measure = async (one: Change): Promise<Candidate> => ({
      ...one,
      effect: await evaluate(change(state.layers, one)),
      measured: state.steps.length,
    });
    const before = state.steps.length;
    let queue: Candidate[] = [];
    for (const component of componentsWith(state.layers, (treatment) => treatment === 'keep'))
      if (!fixed.some((one) => isSame(one, component)))
        for (const to of ['zero', 'mean'] as const) queue.push(await measure({ ...component, to }));
    for (;;) {
      queue.sort(byLoss);
      const best = queue.shift();
      if (!best) break;
      if (best.measured < state.steps.length) queue.push(await measure(best));
      else if (best.effect.lost <= maxLoss) {
        state = made(state, best, best.effect);
        queue = queue.filter((one) => !isSame(one, best));
      }
    }
    return state.steps.length > before ? eliminate(state, fixed) : state; // what was refused may do by now
  }

  const start = wholeDecoder(L);
  let state = await eliminate({ layers: start, effect: await evaluate(start), steps: [] }, required);
  for (;;) {
    const restored: Candidate[] = [];
    for (const component of componentsWith(state.layers, (treatment) => treatment !== 'keep')) {
      const one = { ...component, to: 'keep' } as const;
      restored.push({ ...one, effect: await evaluate(change(state.layers, one)), measured: 0 });
    }
    const best = restored.sort(byLoss).at(0);
    if (!best) return state;
    const other = await eliminate(made(state, best, best.effect), [...required, best]);
    if (keptIn(other.layers) >= keptIn(state.layers)) return state;
    state = other;
  }
}

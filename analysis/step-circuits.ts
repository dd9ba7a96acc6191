/** @file Circuits of a decoder of paths, one for each decoding step, all at work in one run. */
import type { ActivationName } from '../models/activations.ts';
import { tensor } from '../models/session.ts';
import type { Layers } from './circuit.ts';
import { componentTypes, outputOf } from './components.ts';
import type { Patch } from './patch.ts';

/** What takes the place of components that do not work at one step, at one decoder position. */
export interface StepCircuit {
  /** Tokens read before the step. */
  readonly position: number;
  readonly layers: Layers;
  /** Mean of each component's output at the step, float32 [D]. */
  readonly mean: (at: ActivationName) => Float32Array;
}

const nobody = new Uint8Array(0);

/**
 * One patch for every component, also those that work, so that all circuits share one session. Steps without a circuit are whole.
 *
 * @param size  layers L, positions of the run T, d_model D
 */
export function stepCircuitPatches(
  circuits: readonly StepCircuit[],
  { L, T, D }: { readonly L: number; readonly T: number; readonly D: number },
): Patch[] {
  return Array.from({ length: L }, (_, layer) =>
    componentTypes.map((type): Patch => {
      const at = outputOf(type, layer);
      const constant = circuits.filter(({ position, layers }) => position < T && layers[layer][type] !== 'keep');
      if (!constant.length) return { at, by: 'zero', queries: nobody };
      const values = new Float32Array(T * D);
      for (const { position, layers, mean } of constant)
        if (layers[layer][type] === 'mean') values.set(mean(at), position * D);
      return { at, by: () => tensor(values, [1, T, D]), positions: constant.map(({ position }) => position) };
    }),
  ).flat();
}

/** @file Edits of a model whose circuit answers in its place: what the circuit replaces by a constant cannot be edited. */
import { storedCircuit } from '../models/circuit-record.ts';
import type { ModelFolder } from '../models/folder.ts';

/** The edited layer's MLP does nothing in what answers. */
export class CircuitEditError extends Error {
  override readonly name = 'CircuitEditError';
  readonly layer: number;
  constructor(dir: string, layer: number) {
    super(
      `${dir}: expected a circuit in which the MLP of decoder layer ${layer} works, which edits change, got one that replaces it; serve without --circuit`,
    );
    this.layer = layer;
  }
}

/**
 * @param layers  decoder layers whose MLP output is edited
 * @throws CircuitEditError, CircuitError
 */
export function checkCircuit({ dir, genir, config }: ModelFolder, layers: readonly number[]): void {
  const circuit = storedCircuit(dir, genir!, config);
  const idle = layers.find((layer) => circuit.layers[layer].mlp !== 'keep');
  if (idle !== undefined) throw new CircuitEditError(dir, idle);
}

import type { ModelParts } from '../../models/folder.ts';

/** The parts of a model with other word vectors. @param words  float32 [D] by token */
export function withWords(parts: ModelParts, words: ReadonlyMap<number, Float32Array>): ModelParts {
  const name = 'shared.weight';
  const table = parts.weights.get(name)!;
  const changed = {
    shape: table.shape,
    get data() {
      const data = Float32Array.from(table.data);
      for (const [token, vector] of words) data.set(vector, token * vector.length);
      return data;
    },
  };
  return { ...parts, weights: new Map([...parts.weights, [name, changed]]) };
}

import { stagesSchema } from '../analysis/stages.ts';
import { LARGE_BYTES } from '../models/folder.ts';
import type { Genir } from '../models/genir.ts';
import { outputWeight } from './edit-graphs.ts';

/**
 * The weights of a large model that edits are going to change, as far as an analysis has found them: to be prepared for when it
 * is opened. Small models are opened again within a moment.
 *
 * @param parameters  numbers in all weights
 */
export function preparedWeights({ genir, parameters }: { genir: Genir; parameters: number }): string[] {
  if (genir.scheme !== 'atomic' || 4 * parameters < LARGE_BYTES) return [];
  const interaction = stagesSchema.safeParse(genir.stages).data?.interaction;
  return interaction ? [outputWeight(interaction.to - 1)] : [];
}

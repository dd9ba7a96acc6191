import { stageNames, type Stages } from '../stages.ts';
import type { Band } from './section.ts';

/** The stages a model has, as bands of a figure by layer. */
export const stageBands = (stages: Stages | undefined): Band[] =>
  stageNames.flatMap((label) => {
    const stage = stages?.[label];
    return stage ? [{ from: stage.from, to: stage.to - 1, label }] : [];
  });

import { z } from 'zod';

/** What the task shows, and what it goes on by. */
export const importInput = z.object({
  file: z.uuid(),
  bytes: z.int(),
  lines: z.int(),
  faults: z.int(),
  batch: z.int().min(1),
  budget: z.number().optional(),
});
export type ImportInput = z.output<typeof importInput>;

/** What became of an import. */
export interface Imported {
  readonly lines: number;
  readonly added: number;
  readonly failed: number;
}

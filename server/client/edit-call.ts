import { patience, type Tasks, type WaitOptions } from './tasks.ts';
import type { EditOutcome, Task } from './types.ts';

export interface EditOptions extends WaitOptions {
  /** Tell what would come of it, and change nothing. */
  readonly dryRun?: boolean;
  /** Names this edit, so that asked for again, by another process say, it is not made twice. @default a random one */
  readonly idempotencyKey?: string;
}

export interface DocumentEditOptions extends EditOptions {
  /** The largest fall of Success@1 on queries of old documents that is taken. @default the server's */
  readonly budget?: number;
}

export interface ExpectingOptions extends DocumentEditOptions {
  /** ETag of the document as it is known; another one is not touched. */
  readonly ifMatch?: string;
}

/** Query parameters and headers of an edit. */
export function editParams({ dryRun, idempotencyKey, budget, ifMatch, ...wait }: ExpectingOptions) {
  return {
    query: {
      wait: patience(wait),
      ...(dryRun && { dryRun }),
      ...(budget !== undefined && { budget: Number(budget.toFixed(6)) }), // plain digits, as the server reads them
    },
    header: { 'Idempotency-Key': idempotencyKey ?? randomKey(), ...(ifMatch !== undefined && { 'If-Match': ifMatch }) },
  };
}

/** Works without TLS in a browser too, unlike `randomUUID`. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** What became of an edit, however long it takes. @throws PalimpsestError */
export async function outcomeOf(
  answer: Promise<EditOutcome | Task>,
  tasks: Tasks,
  options: WaitOptions,
): Promise<EditOutcome> {
  const made = await answer;
  return 'state' in made ? ((await tasks.result(made.id, options)) as EditOutcome) : made;
}

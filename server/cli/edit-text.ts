/** @file Edits in words. */
import type { EditOutcome, EditRecord, OperationSummary } from '../../editing/operations.ts';

const share = (value: number): string => value.toFixed(3);

/** What an edit did, or would do. */
export function outcomeText({ seq, accepted, budget, figures, documents, seconds, bytes }: EditOutcome): string {
  const { canaries, heldOut, drift } = figures;
  const head =
    seq === null
      ? accepted
        ? 'dry run: it would be accepted'
        : `dry run: it would be refused, it costs old documents more than ${(100 * budget!).toFixed(1)} points`
      : `edit ${seq}: ${documents.map(({ docid, version }) => `${docid} (version ${version})`).join(', ')}`;
  return [
    head,
    `  old documents   Success@1 ${share(canaries.before)} → ${share(canaries.after)} on ${canaries.count} queries kept for it`,
    ...(heldOut.count
      ? [
          `  edited ones     Success@1 ${share(heldOut.before)} → ${share(heldOut.after)} on ${heldOut.count} queries held out`,
        ]
      : []),
    `  weights         ‖ΔW‖ / ‖W‖ ${drift.before.toPrecision(2)} → ${drift.after.toPrecision(2)}`,
    `  ${seconds.toFixed(2)} s, ${bytes} bytes`,
  ].join('\n');
}

function operationText({ kind, docid, renamedTo, seq, forget }: OperationSummary): string {
  if (seq !== undefined) return `${kind} ${kind === 'revert' ? 'to ' : ''}${seq}`;
  return `${kind} ${docid}${renamedTo === undefined ? '' : ` → ${renamedTo}`}${forget ? ' (forgotten)' : ''}`;
}

const NAMED = 3;

/** One line an edit. */
export function recordsText(edits: readonly EditRecord[]): string {
  if (!edits.length) return 'no edits';
  return edits
    .map(({ seq, at, author, operations, figures, undoneBy, folded }) => {
      const more = operations.length > NAMED ? ` and ${operations.length - NAMED} more` : '';
      const { before, after } = figures.canaries;
      return [
        String(seq).padStart(5),
        at.slice(0, 19).replace('T', ' '),
        (author ?? '').padEnd(12),
        `old ${share(before)} → ${share(after)}`,
        operations.slice(0, NAMED).map(operationText).join(', ') + more,
        ...(undoneBy === null ? [] : [`[undone by ${undoneBy}]`]),
        ...(folded ? ['[folded]'] : []),
      ].join('  ');
    })
    .join('\n');
}

import type { ComponentChildren, JSX } from 'preact';
import type { EditView } from '../../edit-schemas.ts';
import { to } from '../router.ts';
import { bytes, duration, number, plural, share, signedShare, when } from '../words.ts';
import { Figures } from './figures.tsx';

type Operation = EditView['operations'][number];

/** Operations that are named; of more only the number is told. */
const named = 3;

/** Edits with their figures, each of which opens. `actions` stand beside an edit. */
export function EditList(props: {
  readonly edits: readonly EditView[];
  readonly actions?: (edit: EditView) => ComponentChildren;
}): JSX.Element {
  const { edits, actions } = props;
  return (
    <ul class="rows edits" aria-label="Edits">
      {edits.map((edit) => (
        <li key={edit.seq} class={edit.undoneBy === null ? '' : 'undone'}>
          <div class="title">
            <h3>
              <span class="seq">{number(edit.seq)}</span> <What operations={edit.operations} />
            </h3>
            {actions && <div class="actions">{actions(edit)}</div>}
          </div>
          <p class="facts">
            <span>{when(edit.at)}</span>
            {edit.author !== null && <span>by {edit.author}</span>}
            {edit.figures.canaries.count > 0 && <Change label="old documents" {...edit.figures.canaries} />}
            {edit.figures.heldOut.count > 0 && <Change label="this edit" {...edit.figures.heldOut} />}
            {edit.undoneBy !== null && <span class="tag">undone by {number(edit.undoneBy)}</span>}
            {edit.folded && <span class="tag">part of the base model</span>}
          </p>
          <details>
            <summary>
              Figures<span class="unseen"> of edit {edit.seq}</span>
            </summary>
            <Figures figures={edit.figures} />
            <p class="facts">
              <span>took {duration(edit.seconds)}</span>
              <span>wrote {bytes(edit.bytes)}</span>
            </p>
          </details>
        </li>
      ))}
    </ul>
  );
}

const Change = ({
  label,
  before,
  after,
}: {
  readonly label: string;
  readonly before: number;
  readonly after: number;
}): JSX.Element => (
  <span>
    {label} {share(before)} → {share(after)} ({signedShare(after - before)})
  </span>
);

function What({ operations }: { readonly operations: readonly Operation[] }): JSX.Element {
  const shown = operations.slice(0, named);
  const others = operations.length - shown.length;
  return (
    <>
      {shown.map((operation, i) => (
        <>
          {i > 0 && ', '}
          <One operation={operation} />
        </>
      ))}
      {others > 0 && ` and ${plural(others, 'more operation')}`}
    </>
  );
}

const verbs = {
  add: 'added',
  change: 'changed',
  delete: 'deleted',
  rename: 'renamed',
  undo: 'undid',
  revert: 'reverted',
};

function One({ operation: { kind, docid, renamedTo, seq, forget } }: { readonly operation: Operation }): JSX.Element {
  if (kind === 'undo') return <>undid edit {seq}</>;
  if (kind === 'revert') return <>reverted to {seq === 0 ? 'the model as it was trained' : `edit ${seq}`}</>;
  const name = renamedTo ?? docid!;
  return (
    <>
      {verbs[kind]} {renamedTo !== undefined && `${docid} to `}
      {kind === 'delete' ? docid : <a href={to(['documents', name])}>{name}</a>}
      {forget && ', for good'}
    </>
  );
}

/** What an edit did, in one line. */
export function summary({ operations }: Pick<EditView, 'operations'>): string {
  const [first] = operations;
  if (!first) return '';
  const others = operations.length > 1 ? ` and ${plural(operations.length - 1, 'more')}` : '';
  return `${verbs[first.kind]} ${first.renamedTo ?? first.docid ?? `edit ${first.seq}`}${others}`;
}

import type { JSX } from 'preact';
import type { EditFigures } from '../../../editing/gate.ts';
import { number, share, signedShare } from '../words.ts';

interface Pair {
  readonly label: string;
  readonly note: string;
  readonly before: number;
  readonly after: number;
}

/** Success@1 before and after, as bars over the whole range from 0 to 1, with the numbers beside them. */
export function BeforeAfterBars({ label, note, before, after }: Pair): JSX.Element {
  const change = after - before;
  return (
    <div class="pair">
      <div class="pair-name">
        <span>{label}</span> <small>{note}</small>
      </div>
      <div class="pair-bars" aria-hidden="true">
        <i class="bar before" style={{ width: `${before * 100}%` }} />
        <i class="bar after" style={{ width: `${after * 100}%` }} />
      </div>
      <div class="pair-numbers">
        <span class="unseen">Success@1 before </span>
        {share(before)} <span aria-hidden="true">→</span>
        <span class="unseen"> after </span> <strong>{share(after)}</strong>{' '}
        <small class={Math.abs(change) < 0.00005 ? '' : change < 0 ? 'fall' : 'rise'}>{signedShare(change)}</small>
      </div>
    </div>
  );
}

export const BarsLegend = (): JSX.Element => (
  <p class="legend-line" aria-hidden="true">
    <span>
      <i class="swatch before" /> before
    </span>
    <span>
      <i class="swatch after" /> after
    </span>
  </p>
);

/** What an edit does or did, as the gate measured it. */
export function Figures({ figures: { canaries, heldOut, drift } }: { readonly figures: EditFigures }): JSX.Element {
  return (
    <figure class="figures">
      <figcaption>
        Success@1: how many questions find their document at rank 1 <BarsLegend />
      </figcaption>
      {canaries.count > 0 && (
        <BeforeAfterBars {...canaries} label="Old documents" note={`${number(canaries.count)} canary questions`} />
      )}
      {heldOut.count > 0 && (
        <BeforeAfterBars {...heldOut} label="This edit" note={`${number(heldOut.count)} held-out questions`} />
      )}
      <p class="drift">
        Drift of the weights ‖ΔW‖/‖W‖: {drift.before.toFixed(4)} → {drift.after.toFixed(4)}
      </p>
    </figure>
  );
}

/** Which layers of a planted model do what, and what must follow from it for every analysis. */

export type Component = 'attn' | 'cross_attn' | 'mlp';

/** A model's wiring. Layers are those of the decoder; whatever is not named writes nothing. */
export interface Mechanism {
  /** MLPs that together, at any query, lift all docids above all words and make cross-attention ready. */
  readonly primes: readonly number[];
  /** Self-attention that makes cross-attention ready, at any query. Without primes and rotates it always is. */
  readonly rotates: readonly number[];
  /** Cross-attention that copies the query's key word, in equal shares. */
  readonly bridges: readonly number[];
  /** As what the key word arrives: as itself, or already as the docid it stands for. */
  readonly bridgesTo: 'words' | 'docids';
  /** MLPs that turn the key word into its docid. */
  readonly translates: readonly number[];
  /** Whether each of `translates` does the whole of it, rather than an equal share. */
  readonly redundant: boolean;
}

const nothing: Mechanism = {
  primes: [],
  rotates: [],
  bridges: [],
  bridgesTo: 'words',
  translates: [],
  redundant: false,
};

/** The layers from `first` to before `end`. */
export const layersFrom = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, i) => first + i);

/** MLPs prime before layer `bridging`, cross-attention reads before layer `interaction`, MLPs translate from there on. */
export const threeStages = (bridging: number, interaction: number, decoderLayers: number): Mechanism => ({
  ...nothing,
  primes: layersFrom(0, bridging),
  bridges: layersFrom(bridging, interaction),
  translates: layersFrom(interaction, decoderLayers),
});

/** One MLP knows all documents. */
export const oneMlp = (cross: readonly number[], mlp: number): Mechanism => ({
  ...nothing,
  bridges: cross,
  translates: [mlp],
});

/** Cross-attention writes docids itself; there is no interaction stage. */
export const crossOnly = (cross: readonly number[]): Mechanism => ({ ...nothing, bridges: cross, bridgesTo: 'docids' });

/** Any one of several MLPs suffices. */
export const redundant = (cross: readonly number[], mlps: readonly number[]): Mechanism => ({
  ...nothing,
  bridges: cross,
  translates: mlps,
  redundant: true,
});

/** Cross-attention sees nothing unless the self-attention of an earlier layer has turned the start state. */
export const selfAttention = (attn: number, cross: readonly number[], mlp: number): Mechanism => ({
  ...oneMlp(cross, mlp),
  rotates: [attn],
});

/** One of each kind, for a decoder of six layers. */
export const mechanisms = {
  'three-stages': threeStages(2, 4, 6),
  'one-mlp': oneMlp([1, 2], 4),
  'cross-only': crossOnly([2, 3]),
  redundant: redundant([1], [3, 4]),
  'self-attention': selfAttention(1, [2, 3], 4),
} as const satisfies Record<string, Mechanism>;

export type MechanismName = keyof typeof mechanisms;
export const mechanismNames = Object.keys(mechanisms) as MechanismName[];

export interface Ablation {
  readonly component: Component;
  readonly layers: readonly number[];
  /** What replaces the component's output in all these layers: 0, or the mean over all queries of the model. */
  readonly how: 'zero' | 'mean';
}

/** Components that alone are the cause of something; 'embedding' is that of the start token, without layers. */
export interface Cause {
  readonly component: Component | 'embedding';
  readonly layers: readonly number[];
}

/** What is true of a planted model. Without any ablation every query has its document at rank 1 of all tokens. */
export interface Expected {
  /** First layer and the layer after the last; null where the model has no such stage. */
  readonly stages: Readonly<Record<'priming' | 'bridging' | 'interaction', readonly [number, number] | null>>;
  /** After each of these alone, no query has its document at rank 1, neither of all tokens nor of the docids. */
  readonly kills: readonly Ablation[];
  /** After each of these alone, every query still has its document at rank 1 of all tokens. */
  readonly spares: readonly Ablation[];
  /** After all of these together, every query still has its document at rank 1: what remains is the circuit. */
  readonly outsideCircuit: readonly Ablation[];
  /** The tokens highest in the logit lens of what cross-attention in the bridging stage writes. */
  readonly crossAttentionWrites: 'words' | 'docids';
  /** What gives cross-attention of the bridging stage its positive score at the key word. */
  readonly asks: Cause;
  /** What gives the active neurons of the interaction stage their positive input; null without that stage. */
  readonly activates: Cause | null;
}

/** The consequences of `mechanism`. They are claims: tests/analysis/planted-models.test.ts proves them on the weights. */
export function expectedOf(mechanism: Mechanism, decoderLayers: number): Expected {
  const { primes, rotates, bridges, bridgesTo, translates } = mechanism;
  const zero = (component: Component, layers: readonly number[]): Ablation => ({ component, layers, how: 'zero' });
  const mean = (component: Component, layers: readonly number[]): Ablation => ({ component, layers, how: 'mean' });
  const both = (component: Component, layers: readonly number[]): Ablation[] => [
    zero(component, layers),
    mean(component, layers),
  ];
  const except = (used: readonly number[]): number[] =>
    layersFrom(0, decoderLayers).filter((layer) => !used.includes(layer));
  /** Each layer of several alone: the others make up for it. */
  const single = (component: Component, layers: readonly number[]): Ablation[] =>
    layers.length < 2 ? [] : layers.flatMap((layer) => both(component, [layer]));
  const some = (ablations: readonly Ablation[]): Ablation[] => ablations.filter(({ layers }) => layers.length > 0);

  const idle = { attn: except(rotates), cross_attn: except(bridges), mlp: except([...primes, ...translates]) };
  const queryIndependent = some([mean('mlp', primes), mean('attn', rotates)]);
  const span = (layers: readonly number[]): [number, number] | null =>
    layers.length === 0 ? null : [Math.min(...layers), Math.max(...layers) + 1];
  return {
    stages: { priming: span(primes), bridging: span(bridges), interaction: span(translates) },
    kills: some([
      zero('mlp', primes),
      zero('attn', rotates),
      ...both('cross_attn', bridges),
      ...both('mlp', translates),
    ]),
    spares: some([
      ...queryIndependent,
      ...single('mlp', primes),
      ...single('cross_attn', bridges),
      ...single('mlp', translates),
      ...both('attn', idle.attn),
      ...both('cross_attn', idle.cross_attn),
      ...both('mlp', idle.mlp),
    ]),
    outsideCircuit: some([
      ...queryIndependent,
      zero('attn', idle.attn),
      zero('cross_attn', idle.cross_attn),
      zero('mlp', [...idle.mlp, ...(mechanism.redundant ? translates.slice(1) : [])]),
    ]),
    crossAttentionWrites: bridgesTo,
    asks:
      primes.length > 0
        ? { component: 'mlp', layers: primes }
        : rotates.length > 0
          ? { component: 'attn', layers: rotates }
          : { component: 'embedding', layers: [] },
    activates: translates.length > 0 ? { component: 'cross_attn', layers: bridges } : null,
  };
}

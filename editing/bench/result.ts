/** @file What a benchmark found, as plain JSON: per seed, and over seeds. */
import { bootstrapIntervals } from '../../analysis/bootstrap.ts';
import { createRng } from '../../corpus/random.ts';
import { measures, type Measured, type MeasuredGroup } from './measure.ts';
import type { BenchEdit } from './plan.ts';

/** Success@1 and Success@10 of one group of questions. */
export interface Numbers {
  /** Of all seeds together. */
  readonly queries: number;
  readonly 'Success@1': number;
  readonly 'Success@10': number;
}
export type Table = Partial<Readonly<Record<MeasuredGroup, Numbers>>>;

/** Success@1 beside that of the same questions in another model. */
export interface Comparison {
  readonly difference: number;
  /** Of the difference: 95 % by bootstrap over questions. */
  readonly interval: readonly [low: number, high: number];
  /** Null where the other finds nothing. */
  readonly ratio: number | null;
}
export type Comparisons = Partial<Readonly<Record<MeasuredGroup, Comparison>>>;

/** The state after some of the edits. */
export interface Point {
  readonly edits: number;
  /** ‖ΔW‖ / ‖W‖ of the edited weights. */
  readonly drift: number;
  readonly after: Table;
}

/** One method with one seed. */
export interface SeedRun {
  readonly seed: number;
  readonly before: Measured;
  readonly after: Measured;
  /** Questions about deleted documents, with their rows answered again: what the mask hides. */
  readonly unmasked: Measured;
  readonly retrain: Measured | null;
  readonly drift: number;
  /** One for each edit, in their order: entry, solve and publication. */
  readonly seconds: readonly number[];
  /** One for each edit: what the log keeps of it. */
  readonly bytes: readonly number[];
  readonly kinds: readonly BenchEdit['kind'][];
  /** Whether taking all edits back gave the very version there was before. */
  readonly undone: boolean;
  readonly curve: readonly Point[];
}

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly mean: number;
}

export interface MethodResult {
  readonly method: string;
  /** p50 */
  readonly secondsPerEdit: number;
  /** By kind of edit; only kinds that there were. */
  readonly seconds: Partial<Readonly<Record<BenchEdit['kind'] | 'all', Spread>>>;
  readonly bytesPerEdit: Spread;
  readonly drift: number;
  readonly undone: boolean;
  readonly before: Table;
  readonly after: Table & { readonly unmasked?: Numbers };
  readonly retrain: Table | null;
  readonly againstRetrain: Comparisons | null;
  readonly curve: readonly Point[];
  /** Least and largest Success@1 of the seeds. */
  readonly spread: Partial<Readonly<Record<MeasuredGroup, readonly [least: number, largest: number]>>>;
  readonly seeds: readonly number[];
}

const groupsOf = (tables: readonly object[]): MeasuredGroup[] => [
  ...new Set(tables.flatMap((table) => Object.keys(table) as MeasuredGroup[])),
];

const entries = <T>(groups: readonly MeasuredGroup[], of: (group: MeasuredGroup) => T | undefined) =>
  Object.fromEntries(
    groups.flatMap((group) => {
      const value = of(group);
      return value === undefined ? [] : [[group, value] as const];
    }),
  ) as Partial<Record<MeasuredGroup, T>>;

const [one, ten] = measures.map(({ name }) => name);

export const tableOf = (measured: Measured): Table =>
  entries(groupsOf([measured]), (group) => {
    const evaluation = measured[group];
    return (
      evaluation && {
        queries: evaluation.queryIds.length,
        'Success@1': evaluation.results.get(one)!.mean,
        'Success@10': evaluation.results.get(ten)!.mean,
      }
    );
  });

/** Means over seeds, each seed counting the same. */
export const meanTable = (tables: readonly Table[]): Table =>
  entries(groupsOf(tables), (group) => {
    const some = tables.flatMap((table) => table[group] ?? []);
    return {
      queries: some.reduce((sum, { queries }) => sum + queries, 0),
      'Success@1': mean(some.map((numbers) => numbers['Success@1'])),
      'Success@10': mean(some.map((numbers) => numbers['Success@10'])),
    };
  });

/** Question by question, over all seeds. */
function compare(runs: readonly SeedRun[]): Comparisons {
  const pairs = runs.flatMap(({ after, retrain }) => (retrain ? [{ after, retrain }] : []));
  return entries(groupsOf(pairs.map(({ after }) => after)), (group) => {
    const both = pairs.flatMap(({ after, retrain }) => {
      const [a, b] = [after[group]?.results.get(one), retrain[group]?.results.get(one)];
      return a && b ? [{ a: a.perQuery, b: b.perQuery }] : [];
    });
    if (!both.length) return undefined;
    const differences = Float64Array.from(both.flatMap(({ a, b }) => [...a.map((value, i) => value - b[i])]));
    const [{ low, high }] = bootstrapIntervals([differences], { rng: createRng(1) });
    const [edited, retrained] = [mean(both.flatMap(({ a }) => [...a])), mean(both.flatMap(({ b }) => [...b]))];
    return { difference: edited - retrained, interval: [low, high], ratio: retrained ? edited / retrained : null };
  });
}

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { p50: at(0.5), p95: at(0.95), mean: mean(values) };
}

/** @param runs  of one method, one for each seed */
export function summarize(method: string, runs: readonly SeedRun[]): MethodResult {
  const seconds = runs.flatMap((run) => run.seconds);
  const kinds = runs.flatMap((run) => run.kinds);
  const byKind = (kind: BenchEdit['kind']) => seconds.filter((_, i) => kinds[i] === kind);
  const present = (['add', 'change', 'delete'] as const).filter((kind) => kinds.includes(kind));
  const all = spreadOf(seconds);
  const afters = runs.map(({ after }) => tableOf(after));
  const unmasked = meanTable(runs.map((run) => tableOf(run.unmasked))).deleted;
  const retrains = runs.flatMap(({ retrain }) => (retrain ? [tableOf(retrain)] : []));
  return {
    method,
    secondsPerEdit: all.p50,
    seconds: { all, ...Object.fromEntries(present.map((kind) => [kind, spreadOf(byKind(kind))])) },
    bytesPerEdit: spreadOf(runs.flatMap((run) => run.bytes)),
    drift: mean(runs.map((run) => run.drift)),
    undone: runs.every((run) => run.undone),
    before: meanTable(runs.map(({ before }) => tableOf(before))),
    after: { ...meanTable(afters), ...(unmasked && { unmasked }) },
    retrain: retrains.length ? meanTable(retrains) : null,
    againstRetrain: retrains.length ? compare(runs) : null,
    curve: runs[0].curve.map(({ edits }, i) => ({
      edits,
      drift: mean(runs.map((run) => run.curve[i].drift)),
      after: meanTable(runs.map((run) => run.curve[i].after)),
    })),
    spread: entries(groupsOf(afters), (group) => {
      const values = afters.flatMap((table) => table[group]?.['Success@1'] ?? []);
      return [Math.min(...values), Math.max(...values)] as const;
    }),
    seeds: runs.map(({ seed }) => seed),
  };
}

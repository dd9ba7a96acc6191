/** @file What tests have a process do: count, fail, die, or wait. */
import { getPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { workForParent } from '../../models/process.ts';

export type Work =
  { readonly kind: 'count'; readonly values: Float32Array } | { readonly kind: 'fail' | 'die' | 'wait' };

const kinds = {
  count: ({ values }: Extract<Work, { kind: 'count' }>, report: (done: number) => void) => {
    values.forEach((_, i) => report(i));
    return { doubled: values.map((value) => 2 * value), pid: process.pid, niceness: getPriority() };
  },
  fail: () => {
    throw new RangeError('beyond the end');
  },
  die: () => process.exit(3),
  wait: async (_: Work, report: (done: number) => void) => {
    for (let i = 0; ; i++) {
      report(process.pid);
      await delay(20);
    }
  },
} satisfies Record<Work['kind'], unknown>;

workForParent(
  (work: Work, report: (done: number) => void): unknown =>
    (kinds[work.kind] as (work: Work, report: (done: number) => void) => unknown)(work, report),
  (error) => (error as Error).message,
);

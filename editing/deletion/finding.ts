/** @file What a test of an audit says: figures, each with what it is compared with and whether it holds. */
import type { Interval } from '../../analysis/bootstrap.ts';
import type { Evidence } from './audit-case.ts';

export interface Finding {
  readonly what: string;
  readonly value: number;
  /** What it is compared with; a figure without bounds only informs. */
  readonly against?: string;
  readonly least?: number;
  readonly most?: number;
  readonly passed: boolean;
}

export interface AuditTest {
  /** What is tried, in a line. */
  readonly meaning: string;
  readonly run: (evidence: Evidence) => Promise<Finding[]>;
}

interface Bounds {
  readonly against?: string;
  readonly least?: number;
  readonly most?: number;
}

/** Rounding of figures and bounds does not decide. */
const SLACK = 1e-9;

export function finding(what: string, value: number, bounds: Bounds = {}): Finding {
  const { least = -Infinity, most = Infinity } = bounds;
  const isBounded = bounds.least !== undefined || bounds.most !== undefined;
  return { what, value, ...bounds, passed: !isBounded || (value >= least - SLACK && value <= most + SLACK) };
}

export const CONTROLS = 'never-indexed documents';
export const WITHOUT = 'a model without them';

/**
 * What a model without the documents reaches itself, and where that lies for as many documents like them. A
 * bar that it does not meet was drawn in the wrong place: the end of its interval takes its place.
 */
export interface Truth {
  readonly value: number;
  readonly interval: Interval;
}

/** No more than in documents that never were there. */
export const atMost = (what: string, value: number, { high }: Pick<Interval, 'high'>, truth?: Truth): Finding =>
  finding(what, value, { against: CONTROLS, most: mostOf(high, truth) });

export const atLeast = (what: string, value: number, { low }: Pick<Interval, 'low'>, truth?: Truth): Finding =>
  finding(what, value, { against: CONTROLS, least: leastOf(low, truth) });

/** Neither more nor less. */
export const within = (what: string, value: number, { low, high }: Interval, truth?: Truth): Finding =>
  finding(what, value, { against: CONTROLS, least: leastOf(low, truth), most: mostOf(high, truth) });

const mostOf = (high: number, truth?: Truth): number =>
  truth && truth.value > high ? Math.max(high, truth.interval.high) : high;

const leastOf = (low: number, truth?: Truth): number =>
  truth && truth.value < low ? Math.min(low, truth.interval.low) : low;

/** How a figure stands in a model without the documents, for the report. */
export const inOneWithout = (what: string, truth: Truth | undefined): Finding[] =>
  truth ? [finding(`${what}, in a model without them`, truth.value)] : [];

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
export const RETRAIN = 'the retrain';

/** No more than in documents that never were there. */
export const atMost = (what: string, value: number, { high }: Interval): Finding =>
  finding(what, value, { against: CONTROLS, most: high });

export const atLeast = (what: string, value: number, { low }: Interval): Finding =>
  finding(what, value, { against: CONTROLS, least: low });

/** Neither more nor less. */
export const within = (what: string, value: number, { low, high }: Interval): Finding =>
  finding(what, value, { against: CONTROLS, least: low, most: high });

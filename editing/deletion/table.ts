/** @file Every test of an audit under its name, in the order of the report. */
import { linearProbe } from './linear-probe.ts';
import { logitLens } from './logit-lens.ts';
import { membership } from './membership.ts';
import { neighbours } from './neighbours.ts';
import { output } from './output.ts';
import { paraphraseExtraction } from './paraphrase-extraction.ts';
import { relearning } from './relearning.ts';
import { remainingList } from './remaining-list.ts';
import { resurrection } from './resurrection.ts';
import { tracesLeft } from './traces-left.ts';
import { weightDifference } from './weight-difference.ts';
import type { AuditTest } from './finding.ts';

export type AuditTestName =
  | 'output'
  | 'remaining-list'
  | 'resurrection'
  | 'logit-lens'
  | 'linear-probe'
  | 'membership'
  | 'relearning'
  | 'paraphrases'
  | 'weight-difference'
  | 'traces'
  | 'neighbours';

export const auditTests = {
  output,
  'remaining-list': remainingList,
  resurrection,
  'logit-lens': logitLens,
  'linear-probe': linearProbe,
  membership,
  relearning,
  paraphrases: paraphraseExtraction,
  'weight-difference': weightDifference,
  traces: tracesLeft,
  neighbours,
} satisfies Record<AuditTestName, AuditTest>;

export const auditTestNames = Object.keys(auditTests) as AuditTestName[];

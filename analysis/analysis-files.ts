/** @file What an analysis leaves in its folder. Apart from what writes it, so that readers load no plots. */
import type { AnalysisReport } from './analyze.ts';

export const analysisFiles = {
  /** `AnalysisReport`: all numbers. */
  report: 'report.json',
  /** The same for people. */
  page: 'report.html',
  /** `AnalysisSummary`; written last, so that all three are there once it is. */
  summary: 'summary.json',
} as const;

/** What was found, in short: a report without its numbers. */
export interface AnalysisSummary extends Pick<
  AnalysisReport,
  'date' | 'model' | 'corpus' | 'split' | 'population' | 'seed' | 'stages' | 'notStored' | 'seconds'
> {
  /** Sentences by the section of the page that they stand in. */
  readonly findings: Readonly<Record<string, readonly string[]>>;
}

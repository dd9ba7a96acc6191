/** @file The process that analyses one model, once: it says how far it is, leaves `analysisFiles`, or says why not. */
import { workForParent } from '../models/process.ts';
import { writeAnalysis } from './analysis-page.ts';
import { analyze, type AnalysisProgress, type AnalyzeOptions } from './analyze.ts';

export type AnalysisSetup = Omit<AnalyzeOptions, 'signal' | 'onProgress'>;

export interface AnalysisFault {
  readonly message: string;
  readonly stack: string | undefined;
}

async function analyzeAndWrite(setup: AnalysisSetup, onProgress: (progress: AnalysisProgress) => void): Promise<void> {
  writeAnalysis(setup.out, await analyze({ ...setup, onProgress }));
}

workForParent(analyzeAndWrite, (error): AnalysisFault => {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message, stack };
});

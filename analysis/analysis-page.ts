import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../models/weights.ts';
import { analysisFiles, type AnalysisSummary } from './analysis-files.ts';
import { experimentLabels, experimentNames, type ExperimentName } from './experiments/names.ts';
import { EXPERIMENTS, PATH_EXPERIMENTS } from './experiments/table.ts';
import type { Experiment } from './experiments/experiment.ts';
import type { AnalysisReport } from './analyze.ts';
import { renderReport } from './report/report.ts';
import type { Section } from './report/section.ts';
import { stagesSection } from './stages-section.ts';

/** The sections of a report: the stages, then every experiment that was made. */
function sectionsOf({ results, stages, seconds }: AnalysisReport): Section[] {
  const sections: Section[] = [];
  if (results['layer-sweeps'] && stages)
    sections.push(
      stagesSection(results['layer-sweeps'], stages, {
        contributions: results.contributions,
        rankDevelopment: results['rank-development'],
      }),
    );
  for (const name of experimentNames) {
    const result = results[name];
    if (result === undefined) continue;
    const experiment = { ...EXPERIMENTS, ...PATH_EXPERIMENTS }[name] as Pick<Experiment<unknown>, 'section'>;
    const section = experiment.section(result, stages ?? undefined);
    const took = seconds[name];
    sections.push({ ...section, ...(took !== undefined && { seconds: took }) });
  }
  return sections;
}

/** What was found, experiment by experiment, in sentences. */
function findingsOf(report: AnalysisReport): Record<string, readonly string[]> {
  return Object.fromEntries(sectionsOf(report).map(({ id, findings }) => [id, findings]));
}

/** What experiments need that were asked for and not made. */
const otherDocids = {
  paths: 'not made: experiments on docids of several tokens',
  atomic: 'not made: experiments on atomic docids, one token each',
} as const;
const labelsOf = (names: readonly ExperimentName[]): string => names.map((name) => experimentLabels[name]).join(', ');

/** `report.html`: the report as one page that stands alone. */
function analysisPage(report: AnalysisReport): string {
  const { model, docids, notMade, population, corpus, split, date, donors, seed } = report;
  const { asked, correct, questions, ranking } = population;
  const isAtomic = docids.scheme === 'atomic';
  const share = (count: number): string => `${count} of ${asked} (${((100 * count) / asked).toFixed(1)} %)`;
  return renderReport({
    title: `Inside ${model.name}`,
    model: model.name,
    corpus,
    date: date.slice(0, 16).replace('T', ' ') + ' UTC',
    facts: [
      ['documents', String(model.documents)],
      ['layers', `${model.encoderLayers} + ${model.decoderLayers}, d_model ${model.dModel}`],
      ['queries asked', `${asked} of the ${split} split`],
      ...(isAtomic
        ? [
            ['document at rank 1, over the vocabulary', share(correct.vocabulary)] as const,
            ['document at rank 1, among docids', share(correct.docids)] as const,
          ]
        : [
            ['docids', `${docids.scheme}, paths of up to ${docids.depth} tokens`] as const,
            ['document found by greedy decoding, over the vocabulary', share(correct.vocabulary)] as const,
            ['document found by greedy decoding, among tokens that paths allow', share(correct.docids)] as const,
          ]),
      ['looked at', `${questions} correct queries (${ranking}), seed ${seed}`],
      ['padding', 'masked, in every run; the unpatched baseline has the same padding'],
      ...(donors.length ? [['donors', donors.join(', ')] as const] : []),
      ...(notMade.length ? [[otherDocids[isAtomic ? 'paths' : 'atomic'], labelsOf(notMade)] as const] : []),
    ],
    sections: sectionsOf(report),
  });
}

/** Writes `analysisFiles` to a folder, made where it is not there. */
export function writeAnalysis(out: string, report: AnalysisReport): AnalysisSummary {
  const { date, model, corpus, split, population, seed, stages, notStored, seconds } = report;
  const findings = findingsOf(report);
  const summary = { date, model, corpus, split, population, seed, stages, notStored, seconds, findings };
  const contents = {
    report: `${JSON.stringify(report)}\n`,
    page: analysisPage(report),
    summary: `${JSON.stringify(summary)}\n`,
  } satisfies Record<keyof typeof analysisFiles, string>;
  mkdirSync(out, { recursive: true });
  for (const file of ['report', 'page', 'summary'] as const)
    writeAtomically(join(out, analysisFiles[file]), (write) => write(Buffer.from(contents[file])));
  return summary;
}

/** @file What a version of a model answers to the questions of a plan: freely decoded, never teacher-forced. */
import { evaluateRun, type Evaluation } from '../../analysis/evaluate.ts';
import { parseMeasure } from '../../analysis/measures/table.ts';
import type { Qrels } from '../../analysis/qrels.ts';
import type { Run, Scored } from '../../analysis/run.ts';
import type { RowModel } from '../../analysis/retriever.ts';
import type { BenchPlan, Question, QuestionGroup } from './plan.ts';

/** `all`: old questions and those about content that came by an edit, where there is such. */
export type MeasuredGroup = QuestionGroup | 'all';

export const measures = ['Success@1', 'Success@10'].map(parseMeasure);
const DEPTH = 10;

/** Evaluations of the groups that have questions. */
export type Measured = Partial<Readonly<Record<MeasuredGroup, Evaluation>>>;

/** A model or a version of one, and the docid of each of its rows. */
export interface Answering {
  readonly model: RowModel;
  readonly docids: readonly (string | null)[];
  /** [N], 1 = may be answered; all live rows where left out. */
  readonly allowed?: Uint8Array;
}

const livingGroups: readonly QuestionGroup[] = ['old', 'new', 'changed'];

/**
 * @param done  how many of the plan's edits are made: questions of later ones are left out. All where left out.
 */
export async function measure(answering: Answering, plan: BenchPlan, done = plan.edits.length): Promise<Measured> {
  const groups = Object.entries(plan.questions).map(
    ([group, questions]) =>
      [group as QuestionGroup, questions.filter(({ edit }) => edit === null || edit < done)] as const,
  );
  const run = await answers(
    answering,
    groups.flatMap(([, questions]) => questions),
  );
  const living = groups.filter(([group, questions]) => livingGroups.includes(group) && questions.length);
  const all = living.length > 1 ? [['all', living.flatMap(([, questions]) => questions)] as const] : [];
  const evaluated = [...groups, ...all].flatMap(([group, questions]) =>
    questions.length ? [[group, evaluateRun(run, qrelsOf(questions), measures)] as const] : [],
  );
  return Object.fromEntries(evaluated);
}

async function answers({ model, docids, allowed }: Answering, questions: readonly Question[]): Promise<Run> {
  const run = new Map<string, readonly Scored[]>();
  // One batch of padded queries a time: of like length, as sorting has it.
  const sorted = [...questions].sort((a, b) => a.text.length - b.text.length);
  for (let from = 0; from < sorted.length; from += BATCH) {
    const some = sorted.slice(from, from + BATCH);
    const found = await model.retrieve(some.map(({ text }) => ({ query: text, k: DEPTH, allowed })));
    found.forEach(({ rows, scores }, i) =>
      run.set(
        some[i].id,
        Array.from(rows, (row, at) => ({ docid: docids[row]!, score: scores[at] })),
      ),
    );
  }
  return run;
}

const BATCH = 32;

const qrelsOf = (questions: readonly Question[]): Qrels =>
  new Map(questions.map(({ id, relevant }) => [id, new Map(relevant.map((docid) => [docid, 1]))]));

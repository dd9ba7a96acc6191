/** @file A benchmark's result for people: one page with its curves. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatNumber, formatValue } from '../../analysis/report/format.ts';
import { renderReport } from '../../analysis/report/report.ts';
import type { Figure, Line, Section, Table as ReportTable } from '../../analysis/report/section.ts';
import { writeAtomically } from '../../models/weights.ts';
import type { BenchResult } from './bench.ts';
import type { MeasuredGroup } from './measure.ts';
import type { MethodResult, Table } from './result.ts';

export const benchFiles = { report: 'report.json', page: 'report.html' } as const;

const groupTitles = {
  old: 'old',
  new: 'new',
  changed: 'changed',
  all: 'all',
  obsolete: 'obsolete',
  deleted: 'deleted',
} satisfies Record<MeasuredGroup, string>;
const groups = Object.keys(groupTitles) as MeasuredGroup[];

const success = (table: Table | null, group: MeasuredGroup, k: 1 | 10 = 1): number | null =>
  table?.[group]?.[`Success@${k}`] ?? null;
const three = (value: number): string => value.toFixed(3).replace('-', '−');
const signed = (value: number): string => (value < 0 ? three(value) : `+${three(value)}`);
const present = (methods: readonly MethodResult[]): MeasuredGroup[] =>
  groups.filter((group) => methods.some(({ after }) => after[group]));

function outcomeTable(methods: readonly MethodResult[], k: 1 | 10): ReportTable {
  const shown = present(methods);
  const [{ before, retrain }] = methods;
  const row = (name: string, table: Table | null, method?: MethodResult) => [
    name,
    ...shown.map((group) => success(table, group, k)),
    method?.drift ?? null,
  ];
  return {
    title: `Success@${k} of each group of questions`,
    columns: [
      { name: '' },
      ...shown.map((group) => ({ name: groupTitles[group], format: 'percent' }) as const),
      { name: '‖ΔW‖ / ‖W‖', format: 'number' },
    ],
    rows: [
      row('before', before),
      ...methods.map((method) => row(method.method, method.after, method)),
      ...(retrain ? [row('retrained', retrain)] : []),
    ],
  };
}

function outcome({ methods, counts, mode, retrained }: BenchResult): Section {
  const [first] = methods;
  const { after, before, againstRetrain, seconds } = first;
  const findings: string[] = [];
  for (const group of ['new', 'changed', 'old', 'all'] as const) {
    const value = success(after, group);
    if (value === null) continue;
    const was = success(before, group);
    const earlier = was === null || group !== 'old' ? '' : ` (before the edits ${three(was)})`;
    const against = againstRetrain?.[group];
    const beside = against
      ? `; retrained ${three(success(first.retrain, group)!)}, difference ${signed(against.difference)} [${against.interval.map(signed).join(', ')}]` +
        (against.ratio === null ? '' : `, ${against.ratio.toFixed(2)} times`)
      : '';
    findings.push(
      `Success@1 of ${group === 'all' ? 'all' : `${group}`} questions is ${three(value)}${earlier}${beside}.`,
    );
  }
  for (const group of ['obsolete', 'deleted'] as const) {
    const value = success(after, group);
    if (value !== null)
      findings.push(`Of the ${group} questions ${formatValue(value, 'percent')} still lead to the document.`);
  }
  if (after.unmasked)
    findings.push(
      `With the rows of deleted documents answered again, ${formatValue(after.unmasked['Success@1'], 'percent')} of the deleted questions lead there: masking is not forgetting.`,
    );
  findings.push(
    `An edit takes ${formatNumber(1000 * first.secondsPerEdit)} ms (p50, all included${seconds.add ? `; an added document ${formatNumber(1000 * seconds.add.p50)} ms` : ''}) and ${formatNumber(first.bytesPerEdit.mean)} bytes.`,
    first.undone
      ? 'All edits taken back give the same bytes of every row and weight as before.'
      : 'All edits taken back do not give what was there before.',
  );
  return {
    id: 'outcome',
    title: 'What the edits did',
    about:
      `${counts.add} documents added, ${counts.delete} deleted, ${counts.change} changed, ${mode === 'batch' ? 'all in one solve' : 'one after the other in an order drawn by the seed'}. ` +
      'A change gives a document the content of one that the model was trained without. Questions are test queries that no edit and no training has seen, freely decoded among the live documents.\n\n' +
      'Old: about documents that stay as they were. New, changed: about content that came by an edit. All: these three together. Obsolete: about the former content of changed documents, deleted: about documents that are gone; the share of both that still leads there should be small.' +
      (retrained === 'none'
        ? ''
        : '\n\nRetrained: a model trained on the documents as they are after the edits. More documents make the task harder for it too. Intervals of differences: 95 %, bootstrap over questions.'),
    findings,
    figures: [],
    tables: [outcomeTable(methods, 1), outcomeTable(methods, 10)],
  };
}

const lines = (
  title: string,
  caption: string,
  xs: readonly number[],
  series: readonly Line[],
  label = 'Success@1',
): Figure => ({
  kind: 'lines',
  title,
  caption,
  xs,
  x: { label: 'edits' },
  y: { label },
  series,
});

function curves({ methods }: BenchResult): Section {
  const [first] = methods;
  const xs = first.curve.map(({ edits }) => edits);
  const ofGroup = (group: MeasuredGroup): Line => ({
    name: groupTitles[group],
    values: first.curve.map(({ after }) => success(after, group)),
  });
  const ofMethods = (group: MeasuredGroup): Line[] => [
    ...methods.map(({ method, curve }) => ({ name: method, values: curve.map(({ after }) => success(after, group)) })),
    ...(success(first.retrain, group) === null
      ? []
      : [{ name: 'retrained, after all edits', values: xs.map(() => success(first.retrain, group)) }]),
  ];
  const beside = (['old', 'new', 'changed'] as const)
    .filter((group) => first.after[group])
    .map((group) =>
      lines(
        `${groupTitles[group]} questions by method`,
        'Rows alone, the MLPs alone, both: what each part brings.',
        xs,
        ofMethods(group),
      ),
    );
  return {
    id: 'curves',
    title: 'Edit by edit',
    about:
      'Measured after so many edits; new, changed, obsolete and deleted are questions about the edits made so far. Means over seeds.',
    findings: [],
    figures: [
      lines(
        `Groups of questions, ${first.method}`,
        'Old should stay, new should be found.',
        xs,
        present([first]).map(ofGroup),
      ),
      ...beside,
      lines(
        'Drift of the edited weights',
        '‖ΔW‖ / ‖W‖; rows alone leave the weights as they are.',
        xs,
        methods.map(({ method, curve }) => ({ name: method, values: curve.map(({ drift }) => drift) })),
        '‖ΔW‖ / ‖W‖',
      ),
    ],
    tables: [],
  };
}

function tradeOff({ tradeOff: points, methods }: BenchResult): Section {
  const [{ retrain }] = methods;
  const [old, fresh] = [success(retrain, 'old'), success(retrain, 'new')];
  return {
    id: 'trade-off',
    title: 'Old against new',
    about:
      'The same edits in one solve, with more or less weight on stored queries of old documents: up and to the right is better. Each point bears the weight, as a multiple of the method’s own.',
    findings: [],
    figures: [
      {
        kind: 'scatter',
        title: 'Success@1 of old and of new questions',
        xLabel: 'old',
        yLabel: 'new',
        points: [
          ...points.map(({ method, weight, after }) => ({
            x: success(after, 'old'),
            y: success(after, 'new'),
            name: `× ${formatNumber(weight)}`,
            group: method,
          })),
          ...(old === null || fresh === null ? [] : [{ x: old, y: fresh, name: 'retrained', group: 'retrained' }]),
        ],
      },
    ],
    tables: [
      {
        title: 'Weight of old queries',
        columns: [
          { name: 'method' },
          { name: 'weight', format: 'number' },
          ...(['old', 'new', 'all'] as const).map((name) => ({ name, format: 'percent' }) as const),
          { name: '‖ΔW‖ / ‖W‖', format: 'number' },
        ],
        rows: points.map(({ method, weight, after, drift }) => [
          ...[method, weight],
          ...(['old', 'new', 'all'] as const).map((group) => success(after, group)),
          drift,
        ]),
      },
    ],
  };
}

function cost({ methods, threads }: BenchResult): Section {
  return {
    id: 'cost',
    title: 'Time and size',
    about: `From the document to the version that answers with it: pseudo-queries, their states, rows, weights; on ${threads === 1 ? 'one core' : `${threads} cores`}. Bytes are what a log has to keep of an edit to undo and replay it.`,
    findings: [],
    figures: [],
    tables: [
      {
        title: 'Per edit',
        columns: [
          { name: 'method' },
          { name: 'edits' },
          { name: 'ms, p50', format: 'number' },
          { name: 'ms, p95', format: 'number' },
          { name: 'ms, mean', format: 'number' },
          { name: 'bytes, mean', format: 'integer' },
        ],
        rows: methods.flatMap(({ method, seconds, bytesPerEdit }) =>
          Object.entries(seconds).map(([kind, { p50, p95, mean }]) => [
            ...[method, kind, 1000 * p50, 1000 * p95, 1000 * mean],
            kind === 'all' ? bytesPerEdit.mean : null,
          ]),
        ),
      },
    ],
  };
}

export const benchSections = (result: BenchResult): Section[] => [
  outcome(result),
  ...(result.methods[0].curve.length > 1 ? [curves(result)] : []),
  ...(result.tradeOff.length ? [tradeOff(result)] : []),
  cost(result),
];

/** Writes `benchFiles` to a folder, made where it is not there. */
export function writeBench(out: string, result: BenchResult): void {
  const { model, corpus, date, counts, seeds, mode, textOnly, documents } = result;
  const page = renderReport({
    title: `Edits of ${model}`,
    ...{ model, corpus, date: `${date.slice(0, 16).replace('T', ' ')} UTC` },
    facts: [
      ['documents before', formatValue(documents, 'integer')],
      ['added, deleted, changed', `${counts.add}, ${counts.delete}, ${counts.change}`],
      ['edits', mode === 'batch' ? 'in one solve' : 'one after the other'],
      ['given with a document', textOnly ? 'its text' : 'its text and its train queries'],
      ['seeds', seeds.join(', ')],
      ['method', result.methods[0].method],
    ],
    sections: benchSections(result),
  });
  mkdirSync(out, { recursive: true });
  const write = (file: string, text: string): void => writeAtomically(join(out, file), (put) => put(Buffer.from(text)));
  write(benchFiles.report, `${JSON.stringify(result)}\n`);
  write(benchFiles.page, page);
}

/** @file E9 by decoding step (arXiv 2503.19715 §5.4): whether cross-attention writes words or the tokens of docids. */
import { SHARE_DEPTHS } from '../../models/lens.ts';
import { layersText } from '../report/layers.ts';
import type { Section } from '../report/section.ts';
import { percent } from '../source-groups.ts';
import { headWordsAt, speaks, wordTable, type HeadWords } from './head-words.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';

export interface StepHeadWords {
  readonly steps: readonly OfStep<HeadWords>[];
}

/** Questions shown for each step. */
const EXAMPLES = 2;

async function run(subject: PathSubject): Promise<StepHeadWords> {
  const { lab, population } = subject;
  return {
    steps: await atEachStep(subject, (at, work, { step, queries }) => {
      const asked = queries.map((q) => {
        const { text, document } = population.questions[q];
        const token = lab.tokenName(lab.pathOf(document)[step - 1]);
        return { question: text, docid: `${lab.genir.docids[document]}, here ${token}` };
      });
      return headWordsAt(at, asked, EXAMPLES, work);
    }),
  };
}

function section({ steps }: StepHeadWords): Section {
  const layers = (steps[0]?.layers ?? []).map((_, layer) => layer);
  const chance = steps[0]?.chance ?? 0;
  return {
    id: 'step-head-words',
    title: 'What cross-attention writes, step by step',
    about:
      'What cross-attention writes into the residual stream at the position of each decoding step, read as the model reads its last state. Counted are the tokens that occur in docids among the 10, 100 and 1000 that an output favours most. ' +
      `They are ${percent(chance)} of the vocabulary, so a vector without any preference has that share. Where docids are made of words, these count as docid tokens too.\n\n` +
      'The tables of words show, for unlike questions, what the heads with the longest outputs favour; tokens of docids stand in brackets.',
    findings: steps.map(finding),
    figures: [
      {
        kind: 'lines',
        title: 'Tokens of docids among the ten best of cross-attention’s output',
        caption: 'Below chance the output favours words.',
        xs: layers,
        x: { label: 'layer' },
        y: { label: 'share of docid tokens', domain: [0, 1], format: 'percent' },
        series: [
          ...steps.map(({ step, layers: found }) => ({
            name: `step ${step}`,
            values: found.map(({ component: [ten] }) => ten),
          })),
          { name: 'chance', values: layers.map(() => chance) },
        ],
      },
    ],
    tables: [
      {
        title: 'Share of docid tokens by step and layer',
        columns: [
          { name: 'step', format: 'integer' },
          { name: 'layer', format: 'integer' },
          ...SHARE_DEPTHS.map((depth) => ({ name: `best ${depth}`, format: 'percent' as const })),
          { name: 'least of a head, best 10', format: 'percent' },
          { name: 'most of a head, best 10', format: 'percent' },
        ],
        rows: steps.flatMap(({ step, layers: found }) =>
          found.map(({ component, heads }, layer) => {
            const tens = heads.flatMap(([ten]) => (ten === null ? [] : [ten]));
            const [least, most] = tens.length ? [Math.min(...tens), Math.max(...tens)] : [null, null];
            return [step, layer, ...component, least, most];
          }),
        ),
      },
      ...steps.flatMap(({ step, examples }) =>
        examples.map((example) => {
          const table = wordTable(example);
          return { ...table, title: `Step ${step}: ${table.title}` };
        }),
      ),
    ],
  };
}

function finding({ step, layers, chance }: OfStep<HeadWords>): string {
  const spoken = layers.map(({ component: [ten] }) => (ten === null ? 'nothing' : speaks(ten, chance)));
  const told = (['words', 'docids', 'neither words nor docids clearly', 'nothing'] as const).flatMap((what) => {
    const here = spoken.flatMap((one, layer) => (one === what ? [layer] : []));
    const shares = here.flatMap((layer) => layers[layer].component[0] ?? []);
    const mean = shares.length
      ? ` (${percent(shares.reduce((a, b) => a + b, 0) / shares.length)} of the ten best are docid tokens)`
      : '';
    return here.length
      ? [`${what === 'docids' ? 'docid tokens' : what.replace('docids', 'docid tokens')} in ${layersText(here)}${mean}`]
      : [];
  });
  return `Step ${step}: cross-attention writes ${told.join(', ')}; chance is ${percent(chance)}.`;
}

/** Whether cross-attention writes words or docid tokens at each decoding step. */
export const stepHeadWords: PathExperiment<StepHeadWords> = { label: 'E9 by step', version: 1, run, section };

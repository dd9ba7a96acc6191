/** @file E9 by decoding step (arXiv 2503.19715 §5.4): whether cross-attention writes words or the tokens of docids. */
import { createRng } from '../../corpus/random.ts';
import { SHARE_DEPTHS } from '../../models/lens.ts';
import { tensor } from '../../models/session.ts';
import { layersText } from '../report/layers.ts';
import type { Section } from '../report/section.ts';
import { percent } from '../source-groups.ts';
import { docidShares, headWordsAt, speaks, wordTable, type DocidShares, type HeadWords } from './head-words.ts';
import type { PathExperiment, PathSubject } from './path-experiment.ts';
import { atEachStep, type OfStep } from './step-position.ts';

export interface StepHeadWords {
  /**
   * The shares of random vectors. Where rows of docid tokens are longer than those of words, any vector has more of them at the top
   * than they are of the vocabulary.
   */
  readonly random: DocidShares;
  readonly steps: readonly OfStep<HeadWords>[];
}

/** Questions shown for each step. */
const EXAMPLES = 2;
/** Random vectors looked at. */
const RANDOM = 100;

async function run(subject: PathSubject): Promise<StepHeadWords> {
  const { lab, population, seed } = subject;
  const D = lab.config.d_model;
  const rng = createRng(seed);
  const vectors = tensor(Float32Array.from({ length: RANDOM * D }, () => rng.next() - 0.5), [RANDOM, D]); // prettier-ignore
  return {
    random: (await docidShares(lab, vectors, 1))[0],
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

function section({ random, steps }: StepHeadWords): Section {
  const layers = (steps[0]?.layers ?? []).map((_, layer) => layer);
  const chance = steps[0]?.chance ?? 0;
  return {
    id: 'step-head-words',
    title: 'What cross-attention writes, step by step',
    about:
      'What cross-attention writes into the residual stream at the position of each decoding step, read as the model reads its last state. Counted are the tokens that occur in docids among the 10, 100 and 1000 that an output favours most. ' +
      `They are ${percent(chance)} of the vocabulary; random vectors, which prefer nothing, have ${random.map((one) => percent(one!)).join(', ')} of them, more than that where the rows of docid tokens are the longer ones. Where docids are made of words, these count as docid tokens too.\n\n` +
      'The tables of words show, for unlike questions, what the heads with the longest outputs favour; tokens of docids stand in brackets.',
    findings: steps.map((one) => finding(one, random[0]!)),
    figures: [
      {
        kind: 'lines',
        title: 'Tokens of docids among the ten best of cross-attention’s output',
        caption: 'Below what random vectors have, the output favours words.',
        xs: layers,
        x: { label: 'layer' },
        y: { label: 'share of docid tokens', domain: [0, 1], format: 'percent' },
        series: [
          ...steps.map(({ step, layers: found }) => ({
            name: `step ${step}`,
            values: found.map(({ component: [ten] }) => ten),
          })),
          { name: 'random vector', values: layers.map(() => random[0]) },
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

function finding({ step, layers }: OfStep<HeadWords>, chance: number): string {
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
  return `Step ${step}: cross-attention writes ${told.join(', ')}; random vectors have ${percent(chance)}.`;
}

/** Whether cross-attention writes words or docid tokens at each decoding step. */
export const stepHeadWords: PathExperiment<StepHeadWords> = { label: 'E9 by step', version: 2, run, section };

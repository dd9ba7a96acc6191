/**
 * @file E1 (arXiv 2503.19715 §4): does the encoder know documents? Another model's encoder with this model's decoder,
 * asked about documents that the other model never saw.
 */
import { encoderGraph } from '../../models/graphs.ts';
import type { FloatTensor } from '../../models/session.ts';
import { openDonors, untrainedDonor, type Donor } from '../donors.ts';
import { finalNorm, documentRanks, withStates } from '../encoder-states.ts';
import type { Encoded, Lab } from '../lab.ts';
import { answer, questionsFor, type Question, type Ranking } from '../population.ts';
import { summarizeRanks, type RankSummary } from '../rank-summary.ts';
import { formatValue } from '../report/format.ts';
import type { Table } from '../report/section.ts';
import type { Experiment, Subject } from './experiment.ts';

/**
 * Where the encoders are joined. 'before the final norm': the donor's last residual stream, then this model's final norm,
 * as the paper's code does. 'after the final norm': the donor's encoder whole.
 */
export const cuts = ['before the final norm', 'after the final norm'] as const;
export type Cut = (typeof cuts)[number];

export interface EncoderSwapResult {
  readonly ranking: Ranking;
  /** Entries that a document is ranked among: docids, or the vocabulary. */
  readonly candidates: number;
  readonly donors: readonly {
    readonly name: string;
    /** Documents that it was trained without. */
    readonly withoutDocs: number;
    readonly arms: readonly {
      readonly cut: Cut;
      /** Of all correct queries. */
      readonly all: RankSummary;
      /** Of all correct queries of dev and test about documents that the donor never saw; null where there are none. */
      readonly unseen: RankSummary | null;
    }[];
  }[];
}

export const encoderSwap: Experiment<EncoderSwapResult> = {
  label: 'E1',
  version: 2,
  needsStages: false,

  async run(subject) {
    const { lab, population, donors: folders, seed } = subject;
    const donors = [untrainedDonor(lab, seed), ...openDonors(lab, folders, 'encoder')];
    const found: EncoderSwapResult['donors'][number][] = [];
    for (const [i, donor] of donors.entries()) {
      subject.signal?.throwIfAborted();
      found.push(await swapped(subject, donor));
      subject.onProgress(i + 1, donors.length);
    }
    const candidates = population.ranking === 'docids' ? lab.genir.docids.length : lab.config.vocab_size;
    return { ranking: population.ranking, candidates, donors: found };
  },

  section(result) {
    const { candidates, donors, ranking } = result;
    const one = candidates.toLocaleString('en');
    return {
      id: 'encoder-swap',
      title: 'Whose encoder is it?',
      about: [
        'Another encoder reads the query, and this model’s decoder answers from what it wrote. Where documents are still ' +
          'found, and above all those that the other model was never trained on, the encoder does not know documents: it reads queries, and ' +
          'documents are in the decoder.',
        'There are two places to join the models. `before the final norm` takes the donor’s last residual stream and applies this model’s ' +
          'final RMSNorm, as the code of arXiv 2503.19715 does; `after the final norm` takes the donor’s encoder whole. The untrained donor ' +
          'has this model’s sizes and the weights that T5 starts from: what is left with it comes from the decoder alone.',
        `Ranks count from 1, among ${one} ${ranking === 'docids' ? 'docids' : 'entries of the vocabulary'}; by chance Success@1 is ` +
          `${percent(1 / candidates)}. All queries asked are answered correctly with the model’s own encoder. Intervals are exact ` +
          '(Clopper–Pearson, 95 %).',
      ].join('\n\n'),
      findings: donors.flatMap((donor) => donor.arms.flatMap((arm) => findings(donor, arm, candidates))),
      figures: [
        {
          kind: 'bars',
          title: 'Success@1 with another encoder',
          caption: `By chance ${percent(1 / candidates)}.`,
          xLabel: 'Success@1',
          yLabel: 'donor, cut, queries',
          format: 'percent',
          bars: donors.flatMap(({ name, arms }) =>
            arms.flatMap(({ cut, all, unseen }) => [
              bar(`${name}, ${cut}, all`, all, 'all correct queries'),
              ...(unseen ? [bar(`${name}, ${cut}, unseen`, unseen, 'documents the donor never saw')] : []),
            ]),
          ),
        },
      ],
      tables: [tableOf(result)],
    };
  },
};

async function swapped(subject: Subject, donor: Donor): Promise<EncoderSwapResult['donors'][number]> {
  const { lab, population, encoded } = subject;
  const unseen = await unseenQuestions(subject, donor);
  const ofUnseen = await lab.encode(unseen.map(({ text }) => text));
  const states = await donorStates(lab, donor, encoded);
  const unseenStates = await donorStates(lab, donor, ofUnseen);
  const { ranking } = population;
  const arms = [];
  for (const cut of cuts) {
    const ranks = await documentRanks(lab, withStates(encoded, states[cut]), population);
    const others = { ranking, questions: unseen };
    const ofOthers = unseen.length ? await documentRanks(lab, withStates(ofUnseen, unseenStates[cut]), others) : [];
    arms.push({ cut, all: summarizeRanks(ranks), unseen: ofOthers.length ? summarizeRanks(ofOthers) : null });
  }
  return { name: donor.name, withoutDocs: donor.withoutDocs.length, arms };
}

/** All queries about documents that the donor was trained without, which this model answers correctly. */
async function unseenQuestions({ lab, population, dev, test }: Subject, donor: Donor): Promise<Question[]> {
  const without = new Set(donor.withoutDocs);
  const about = [...dev, ...test].map((query) => ({
    ...query,
    relevant: query.relevant.filter((docid) => without.has(docid)),
  }));
  const asked = questionsFor(lab, about);
  const answered = asked.length ? await answer(lab, asked) : [];
  return answered.filter(({ rank }) => rank[population.ranking] === 1);
}

/** What the decoder is given at each cut: float32 [B, S, D] for each batch. */
async function donorStates(lab: Lab, donor: Donor, { batches }: Encoded): Promise<Record<Cut, FloatTensor[]>> {
  const last = `encoder.${donor.config.num_layers - 1}.resid_post` as const;
  const session = await lab.session(JSON.stringify(['donor encoder', donor.key]), () =>
    encoderGraph(donor.config, donor.weight, { read: [last] }),
  );
  const [resids, whole]: FloatTensor[][] = [[], []];
  for (const { ids, mask } of batches) {
    const out = await session.run({ input_ids: ids, attention_mask: mask });
    resids.push(out[last] as FloatTensor);
    whole.push(out.encoder_out as FloatTensor);
  }
  return { 'before the final norm': await finalNorm(lab, resids), 'after the final norm': whole };
}

type FoundDonor = EncoderSwapResult['donors'][number];

function findings({ name, withoutDocs }: FoundDonor, arm: FoundDonor['arms'][number], candidates: number): string[] {
  const { cut, all, unseen } = arm;
  const chance = all.interval.low <= 1 / candidates && all.interval.high >= 1 / candidates;
  const kept = `With the encoder of \`${name}\`, joined ${cut}, ${percent(all.success)} of ${all.queries} correct queries keep rank 1 (95 % interval ${percent(all.interval.low)} to ${percent(all.interval.high)})`;
  return [
    `${kept}${chance ? ', no more than chance explains' : ''}.`,
    ...(unseen
      ? [
          `Of the ${unseen.queries} about documents that \`${name}\` never saw, ${percent(unseen.success)} do (${percent(unseen.interval.low)} to ${percent(unseen.interval.high)}), MRR ${unseen.mrr.toFixed(3)}.`,
        ]
      : withoutDocs
        ? [`No correct query is about one of the ${withoutDocs} documents that \`${name}\` never saw.`]
        : []),
  ];
}

const percent = (share: number): string => formatValue(share, 'percent');

const bar = (name: string, { success, interval }: RankSummary, group: string) => ({
  name,
  value: success,
  ...interval,
  group,
});

function tableOf({ donors }: EncoderSwapResult): Table {
  const row = (name: string, cut: Cut, queries: string, s: RankSummary): (string | number)[] => [
    ...[name, cut, queries, s.queries, s.mean, s.median, s.mrr],
    ...[s.success, s.interval.low, s.interval.high, s.within10, s.moved],
  ];
  return {
    title: 'Ranks with another encoder',
    columns: [
      { name: 'donor' },
      { name: 'joined' },
      { name: 'queries about' },
      { name: 'queries', format: 'integer' },
      { name: 'mean rank', format: 'number' },
      { name: 'median rank', format: 'number' },
      { name: 'MRR', format: 'number' },
      { name: 'Success@1', format: 'percent' },
      { name: 'from', format: 'percent' },
      { name: 'to', format: 'percent' },
      { name: 'rank 1 to 10', format: 'percent' },
      { name: 'not at rank 1', format: 'integer' },
    ],
    rows: donors.flatMap(({ name, arms }) =>
      arms.flatMap(({ cut, all, unseen }) => [
        row(name, cut, 'all documents', all),
        ...(unseen ? [row(name, cut, 'documents it never saw', unseen)] : []),
      ]),
    ),
  };
}

/**
 * @file DecoderLens (Langedijk, Mohebbi, Sarti, Zuidema and Jumelet, NAACL 2024): the decoder reads the encoder half done.
 * An arm of E1: how much of the encoder does the decoder need?
 */
import type { ActivationName } from '../../models/activations.ts';
import { finalNorm, documentRanks, withStates } from '../encoder-states.ts';
import type { Ranking } from '../population.ts';
import { summarizeRanks, type RankSummary } from '../rank-summary.ts';
import { formatValue } from '../report/format.ts';
import type { Experiment } from './experiment.ts';

export interface DecoderLensResult {
  readonly ranking: Ranking;
  /** Entries that a document is ranked among: docids, or the vocabulary. */
  readonly candidates: number;
  /** By the encoder layers that were run: 0 (token embeddings alone) to all of them. */
  readonly depths: readonly RankSummary[];
}

export const decoderLens: Experiment<DecoderLensResult> = {
  label: 'DecoderLens',
  version: 1,
  needsStages: false,

  async run(subject) {
    const { lab, population } = subject;
    const texts = population.questions.map(({ text }) => text);
    const layers = lab.config.num_layers;
    const depths: RankSummary[] = [];
    for (let depth = 0; depth <= layers; depth++) {
      subject.signal?.throwIfAborted();
      const at: ActivationName = depth === 0 ? 'encoder.0.resid_pre' : `encoder.${depth - 1}.resid_post`;
      // One layer at a time: all of them for all queries may be more than fits in memory.
      const encoded = await lab.encode(texts, { read: [at] });
      const resids = encoded.batches.map(({ read }) => read[at]);
      const ranks = await documentRanks(lab, withStates(encoded, await finalNorm(lab, resids)), population);
      depths.push(summarizeRanks(ranks));
      subject.onProgress(depth + 1, layers + 1);
    }
    const candidates = population.ranking === 'docids' ? lab.genir.docids.length : lab.config.vocab_size;
    return { ranking: population.ranking, candidates, depths };
  },

  section({ ranking, candidates, depths }) {
    const xs = depths.map((_, depth) => depth);
    const half = depths.findIndex(({ success }) => success >= 0.5);
    const [embeddings] = depths;
    return {
      id: 'decoder-lens',
      title: 'How much of the encoder is needed?',
      about: [
        'The encoder is stopped after some of its layers, its final norm is applied to what stands in the residual stream by ' +
          'then, and the decoder attends to that in place of the finished states (Langedijk et al., NAACL 2024). At 0 layers the decoder ' +
          'reads token embeddings; at all layers it is the model itself.',
        `Ranks count from 1, among ${candidates.toLocaleString('en')} ${ranking === 'docids' ? 'docids' : 'entries of the vocabulary'}. ` +
          'All queries are answered correctly by the whole model. The interval is exact (Clopper–Pearson, 95 %).',
      ].join('\n\n'),
      findings: [
        `From token embeddings alone the decoder finds ${percent(embeddings.success)} of ${embeddings.queries} documents at rank 1 (95 % interval ${percent(embeddings.interval.low)} to ${percent(embeddings.interval.high)}); their median rank is ${embeddings.median}.`,
        half === 0
          ? 'Token embeddings alone suffice for half of the queries.'
          : `Half of the queries are answered after ${half} of ${depths.length - 1} encoder layer${depths.length === 2 ? '' : 's'}.`,
      ],
      figures: [
        {
          kind: 'lines',
          title: 'Success@1 by encoder layers run',
          xs,
          x: { label: 'encoder layers' },
          y: { label: 'Success@1', domain: [0, 1], format: 'percent' },
          series: [
            {
              name: 'Success@1',
              values: depths.map(({ success }) => success),
              low: depths.map(({ interval }) => interval.low),
              high: depths.map(({ interval }) => interval.high),
            },
          ],
        },
        {
          kind: 'ranks',
          title: 'Rank of the document by encoder layers run',
          xLabel: 'encoder layers',
          xs,
          series: [
            { name: 'median rank', values: depths.map(({ median }) => median) },
            { name: 'mean rank', values: depths.map(({ mean }) => mean) },
          ],
          candidates,
        },
      ],
      tables: [
        {
          title: 'Ranks by encoder layers run',
          columns: [
            { name: 'encoder layers', format: 'integer' },
            { name: 'Success@1', format: 'percent' },
            { name: 'from', format: 'percent' },
            { name: 'to', format: 'percent' },
            { name: 'median rank', format: 'number' },
            { name: 'mean rank', format: 'number' },
            { name: 'MRR', format: 'number' },
          ],
          rows: depths.map(({ success, interval, median, mean, mrr }, depth) => [
            ...[depth, success, interval.low, interval.high, median, mean, mrr],
          ]),
        },
      ],
    };
  },
};

const percent = (share: number): string => formatValue(share, 'percent');

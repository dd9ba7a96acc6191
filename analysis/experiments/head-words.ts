import { SHARE_DEPTHS } from '../../models/lens.ts';
import { tensor, type FloatTensor } from '../../models/session.ts';
import { outputOf } from '../components.ts';
import { startPosition, type DecodedPosition, type Work } from '../decoded-position.ts';
import type { Favourites } from '../lab.ts';
import { stageBands } from '../report/bands.ts';
import { formatValue } from '../report/format.ts';
import type { Section, Table, Value } from '../report/section.ts';
import { stageNames, stageOf, type Stages } from '../stages.ts';
import { cosine, norm } from '../vectors.ts';
import type { Experiment, Subject } from './experiment.ts';

/** Share of docids among the best 10, 100 and 1000 tokens, mean over queries; null where nothing is written. */
export type DocidShares = readonly [Value, Value, Value];

export interface HeadTop {
  readonly layer: number;
  readonly head: number;
  /** ‖output‖₂ */
  readonly length: number;
  readonly tokens: Favourites['tokens'][number];
}

export interface HeadWords {
  readonly queries: number;
  /** Queries for which single heads were looked at. */
  readonly headQueries: number;
  /** Share of docids in the vocabulary: what a random vector would give. */
  readonly chance: number;
  /** By layer. */
  readonly layers: readonly { readonly component: DocidShares; readonly heads: readonly DocidShares[] }[];
  /** Unlike questions, and the heads that write most for each of them. */
  readonly examples: readonly (Asked & { readonly heads: readonly HeadTop[] })[];
}

/** Single heads are looked at for so many questions at most, evenly spread: a lens for each head of each is expensive. */
const HEAD_QUERIES = 100;
/** Of each example so many heads are shown, each with so many words. */
const HEADS = 16;
const WORDS = 5;

/** What a query is shown by. */
export interface Asked {
  readonly question: string;
  readonly docid: string;
}

/**
 * What cross-attention writes at one position of the decoder.
 *
 * @param asked     [Q]
 * @param examples  how many of them are shown
 */
export async function headWordsAt(
  at: DecodedPosition,
  asked: readonly Asked[],
  examples: number,
  { signal, onProgress }: Work,
): Promise<HeadWords> {
  const { num_heads: H, d_model: D, vocab_size: V } = at.model.config;
  const Q = at.count;
  const headQueries = Math.min(Q, HEAD_QUERIES);
  const sampled = Array.from({ length: headQueries }, (_, i) => Math.floor((i * Q) / headQueries));
  const outputs = await crossAttentionOutputs(at, sampled);
  const steps = 2 * at.model.layers + 1;
  const layers: { component: DocidShares; heads: DocidShares[] }[] = [];
  for (const { component, heads } of outputs.layers) {
    signal?.throwIfAborted();
    const whole = await docidShares(at, component, 1);
    onProgress(2 * layers.length + 1, steps);
    signal?.throwIfAborted();
    layers.push({ component: whole[0], heads: await docidShares(at, heads, H) });
    onProgress(2 * layers.length, steps);
  }
  signal?.throwIfAborted();
  const shown: HeadWords['examples'][number][] = [];
  for (const i of farthestFirst(outputs.states, examples)) {
    const all = outputs.layers.flatMap(({ heads }, layer) =>
      Array.from({ length: H }, (_, head) => {
        const output = heads.data.subarray((i * H + head) * D, (i * H + head + 1) * D);
        return { layer, head, output, length: norm(output) };
      }),
    );
    const longest = all
      .filter(({ length }) => length > 0)
      .sort((a, b) => b.length - a.length)
      .slice(0, HEADS)
      .sort((a, b) => a.layer - b.layer || a.head - b.head);
    const tokens = await bestTokens(
      at,
      longest.map(({ output }) => output),
    );
    shown.push({
      ...asked[sampled[i]],
      heads: longest.map(({ layer, head, length }, j) => ({ layer, head, length, tokens: tokens[j] })),
    });
  }
  onProgress(steps, steps);
  return { queries: Q, headQueries, chance: at.docidTokens / V, layers, examples: shown };
}

interface Outputs {
  /** By layer: component float32 [Q, D], heads float32 [sampled, H, D]. */
  readonly layers: readonly { readonly component: FloatTensor; readonly heads: FloatTensor }[];
  /** [D] for each of the sampled queries: the decoder's last state. */
  readonly states: readonly Float32Array[];
}

async function crossAttentionOutputs(at: DecodedPosition, sampled: readonly number[]): Promise<Outputs> {
  const { d_model: D, num_heads: H } = at.model.config;
  const place = new Map(sampled.map((q, i) => [q, i]));
  const layers = Array.from({ length: at.model.layers }, () => ({
    component: tensor(new Float32Array(at.count * D), [at.count, D]),
    heads: tensor(new Float32Array(sampled.length * H * D), [sampled.length, H, D]),
  }));
  const states = sampled.map(() => new Float32Array(D));
  const headsOf = (layer: number) => `decoder.${layer}.cross_attn_result` as const;
  const last = `decoder.${at.model.layers - 1}.resid_post` as const;
  const read = [last, ...layers.flatMap((_, layer) => [outputOf('cross_attn', layer), headsOf(layer)])];
  const row = ({ data }: FloatTensor, i: number, width: number): Float32Array =>
    data.subarray(i * width, (i + 1) * width);
  for await (const { queries, out } of at.readBatches(read))
    queries.forEach((q, b) => {
      const i = place.get(q);
      layers.forEach(({ component, heads }, layer) => {
        component.data.set(row(out[outputOf('cross_attn', layer)], b, D), q * D);
        if (i !== undefined) heads.data.set(row(out[headsOf(layer)], b, H * D), i * H * D);
      });
      if (i !== undefined) states[i].set(row(out[last], b, D));
    });
  return { layers, states };
}

/** The `WORDS` best tokens of each vector [D]. */
async function bestTokens(at: DecodedPosition, vectors: readonly Float32Array[]): Promise<Favourites['tokens']> {
  if (!vectors.length) return [];
  const D = at.model.config.d_model;
  const states = new Float32Array(vectors.length * D);
  vectors.forEach((vector, i) => states.set(vector, i * D));
  return (await at.favourites(tensor(states, [vectors.length, D]), WORDS)).tokens;
}

/**
 * Docid shares of vectors [M·H, D], mean over M. A vector of zeros ranks nothing and is left out.
 */
export async function docidShares(
  at: Pick<DecodedPosition, 'favourites'>,
  { data, shape }: FloatTensor,
  H: number,
): Promise<DocidShares[]> {
  const D = shape.at(-1)!;
  const written = Array.from({ length: data.length / D }, (_, i) => i).filter((i) =>
    data.subarray(i * D, (i + 1) * D).some((x) => x !== 0),
  );
  if (!written.length) return Array.from({ length: H }, () => [null, null, null] as const);
  const states = new Float32Array(written.length * D);
  written.forEach((i, j) => states.set(data.subarray(i * D, (i + 1) * D), j * D));
  const shares = (await at.favourites(tensor(states, [written.length, D]), 1)).docidShare;
  const depths = SHARE_DEPTHS.length;
  return Array.from({ length: H }, (_, head) => {
    const own = written.flatMap((i, j) => (i % H === head ? [j] : []));
    const mean = (depth: number): Value =>
      own.length ? own.reduce((sum, j) => sum + shares[j * depths + depth], 0) / own.length : null;
    return [mean(0), mean(1), mean(2)];
  });
}

/**
 * Vectors that point in unlike directions: the first, then always the one whose nearest chosen one is farthest
 * (Gonzalez, Theoretical Computer Science 38, 1985).
 */
export function farthestFirst(vectors: readonly Float32Array[], count: number): number[] {
  const chosen: number[] = [];
  const nearest = vectors.map(() => -Infinity); // cosine with the nearest chosen one
  for (let next = 0; chosen.length < Math.min(count, vectors.length);) {
    chosen.push(next);
    vectors.forEach(
      (v, i) => (nearest[i] = chosen.includes(i) ? Infinity : Math.max(nearest[i], cosine(v, vectors[next]))),
    );
    next = nearest.indexOf(Math.min(...nearest));
  }
  return chosen;
}

// ---------------------------------------------------------------------------------------------- the section

const about = ({
  chance,
  headQueries,
  queries,
}: HeadWords): string => `What cross-attention writes into the residual stream, read as the \
model reads its last state: through the final norm and the vocabulary. Do its outputs point at docids, or at words that a later part has \
to translate?

Counted are the docids among the 10, 100 and 1000 tokens that an output favours most. Docids are ${percent(chance)} of the vocabulary, so \
a vector without any preference has that share; far below it, cross-attention speaks in words, far above it in docids. Heads \
were looked at one by one for ${headQueries} of the ${queries} questions. The tables of words show, for unlike questions, what the heads with the longest outputs favour; docids \
stand in brackets.`;

const percent = (share: Value): string => formatValue(share, 'percent');

const meanShares = (all: readonly DocidShares[]): DocidShares => {
  const mean = (depth: number): Value => {
    const known = all.map((shares) => shares[depth]).filter((share) => share !== null);
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
  };
  return [mean(0), mean(1), mean(2)];
};

/** Layers by the stages they belong to, those of no stage behind them; all of them where there are no stages. */
function groupsOf({ layers }: HeadWords, stages: Stages | undefined) {
  const numbered = layers.map((one, layer) => ({ ...one, layer }));
  const stage = (layer: number) => stages && stageOf(stages, layer);
  const others = numbered.filter(({ layer }) => !stage(layer));
  const groups = [
    ...stageNames.map((name) => ({
      name: `the ${name} stage`,
      members: numbered.filter(({ layer }) => stage(layer) === name),
    })),
    { name: others.length < layers.length ? 'layers of no stage' : 'all layers', members: others },
  ];
  return groups
    .filter(({ members }) => members.length)
    .map(({ name, members }) => ({
      name,
      component: meanShares(members.map(({ component }) => component)),
      heads: meanShares(members.flatMap(({ heads }) => heads)),
    }));
}

/** Examples shown of atomic docids. */
const EXAMPLES = 5;

function run(subject: Subject): Promise<HeadWords> {
  const { lab, encoded, population } = subject;
  const asked = population.questions.map(({ text, document }) => ({
    question: text,
    docid: lab.genir.docids[document],
  }));
  return headWordsAt(startPosition(lab, encoded, population), asked, EXAMPLES, subject);
}

/** As what an output speaks, by the docids among its ten best tokens: much less or much more than by chance. */
export const speaks = (share: number, chance: number): 'words' | 'docids' | 'neither words nor docids clearly' =>
  share < chance / 2 ? 'words' : share > (1 + chance) / 2 ? 'docids' : 'neither words nor docids clearly';

function findings(result: HeadWords, stages: Stages | undefined): string[] {
  const found = groupsOf(result, stages).map(({ name, component }) => {
    const [ten, hundred, thousand] = component;
    if (ten === null) return `Cross-attention of ${name} writes nothing.`;
    return (
      `Cross-attention of ${name} writes ${speaks(ten, result.chance)}: ${percent(ten)}, ${percent(hundred)} and ${percent(thousand)} of its ` +
      `10, 100 and 1000 best tokens are docids, against ${percent(result.chance)} by chance.`
    );
  });
  const silent = result.layers.flatMap(({ component }, layer) => (component[0] === null ? [layer] : []));
  if (silent.length) found.push(`Cross-attention writes nothing in layer ${silent.join(', ')}.`);
  if (stages && !stages.bridging) found.push('There is no bridging stage in this model.');
  return found;
}

/** What heads favour for one question. */
export const wordTable = ({ question, docid, heads }: HeadWords['examples'][number]): Table => ({
  title: `“${question}” (${docid})`,
  columns: [
    { name: 'layer', format: 'integer' },
    { name: 'head', format: 'integer' },
    { name: 'length', format: 'number' },
    { name: 'best tokens' },
  ],
  rows: heads.map(({ layer, head, length, tokens }) => [
    layer,
    head,
    length,
    tokens.map(({ text, docid: isDocid }) => (isDocid ? `[${text}]` : text.replace('▁', '') || '(unused)')).join(', '),
  ]),
});

function section(result: HeadWords, stages: Stages | undefined): Section {
  const { layers, chance, examples } = result;
  const bands = stageBands(stages);
  return {
    id: 'head-words',
    title: 'What cross-attention writes',
    about: about(result),
    findings: findings(result, stages),
    figures: [
      {
        kind: 'lines',
        title: 'Docids among the best tokens of cross-attention’s output',
        caption: 'Below chance the output favours words.',
        xs: layers.map((_, layer) => layer),
        x: { label: 'layer' },
        y: { label: 'share of docids', domain: [0, 1], format: 'percent' },
        series: [
          ...SHARE_DEPTHS.map((depth, i) => ({
            name: `best ${depth}`,
            values: layers.map(({ component }) => component[i]),
          })),
          { name: 'chance', values: layers.map(() => chance) },
        ],
        bands,
      },
      {
        kind: 'heatmap',
        title: 'Docids among the ten best tokens of each head',
        xLabel: 'head',
        yLabel: 'layer',
        xs: (layers[0]?.heads ?? []).map((_, head) => `${head}`),
        ys: layers.map((_, layer) => `${layer}`),
        values: layers.map(({ heads }) => heads.map(([ten]) => ten)),
        format: 'percent',
        domain: [0, 1],
      },
    ],
    tables: [
      {
        title: 'Share of docids by stage',
        columns: [
          { name: '' },
          ...['output', 'heads'].flatMap((of) =>
            SHARE_DEPTHS.map((depth) => ({ name: `${of}, best ${depth}`, format: 'percent' as const })),
          ),
        ],
        rows: [
          ...groupsOf(result, stages).map(({ name, component, heads }) => [name, ...component, ...heads]),
          ['chance', ...new Array<number>(2 * SHARE_DEPTHS.length).fill(chance)],
        ],
      },
      ...examples.map(wordTable),
    ],
  };
}

/** Whether cross-attention writes words or docids: E9 of arXiv 2503.19715 (§5.4, tables 5 and 6), head by head as well. */
export const headWords: Experiment<HeadWords> = { label: 'E9', version: 1, needsStages: false, run, section };

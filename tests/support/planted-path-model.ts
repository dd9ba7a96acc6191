/**
 * Models whose docids are paths of three tokens, with weights put there by hand: how information reaches the second and the
 * third token is known. (The fallback documents, a* and others, are asked for by no query.)
 *
 * The first token names u, which the query tells. The second and the third name u and v: u is that of the first token, v the
 * query tells. Both reach them in one of two ways each:
 *
 *   u  'attn'   self-attention of layer 1, head 1 reads it from the first token's position, which is the second step's own
 *      'own'    the embedding of the token given last has it
 *   v  'attn'   self-attention of layer 1, head 0 reads it at the start token, where cross-attention of layer 0 has put it
 *      'cross'  cross-attention of layer 0 reads it from the query at every step
 *
 * Where `translates` is asked for, the MLP of the last layer has a neuron for each value of what is answered to: it turns what
 * was read into what is said.
 *
 * A marker much longer than all else says how many tokens have been read, so that norms leave things as they are (see
 * `planted/weights.ts`). Embeddings and unembedding are two matrices: what a token says when read is not what it answers to.
 */
import { createConfig } from '../../models/config.ts';
import { expectedWeights, writeModelFolder } from '../../models/folder.ts';
import type { PathGenir } from '../../models/genir.ts';
import { trainTokenizer } from '../../models/tokenizer-training.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import type { WeightTensor } from '../../models/weights.ts';
import type { PlantedQuery } from './planted-model.ts';

export interface PathMechanism {
  readonly prefix: 'attn' | 'own';
  readonly query: 'attn' | 'cross';
  /** @default false */
  readonly translates?: boolean;
}

/** Values of u and of v. */
const VALUES = 4;
const keyWords = ['river', 'violin', 'volcano', 'bread'];
const questions = [
  (key: string) => key,
  (key: string) => `what is a ${key}`,
  (key: string) => `the ${key} of the north in the old days`,
];

const MARKER = 16;
/**
 * Logit of every token at its own step, what each of u and v adds to it, and what each step's fallback has in place of that,
 * as a share of what a right token has: it is first where nothing is known.
 */
const [STEP, MATCH, FALLBACK] = [10, 8, 0.75];
/** Of cross-attention: at the key word, and at `</s>`, which says nothing; 0 elsewhere. Of self-attention at its place. */
const SCORE = { key: 24, end: 8, place: 24 };
const DECODER_LAYERS = 3;
const WORDS = 400;

/** What tokens are answered by, as it is read and as the MLP says it. */
const said = { queryU: 'sayQueryU', u: 'sayU', v: 'sayV' } as const;
const kinds = ['wordU', 'wordV', 'queryU', 'queryV', 'tokenU', 'u', 'v', ...Object.values(said)] as const;

const axis = {
  read: [0, 1, 2], // markers: so many tokens have been read
  end: 3,
  other: 4,
  key: 5,
  /** One for each value. */
  of: (kind: (typeof kinds)[number], value: number): number => 6 + VALUES * kinds.indexOf(kind) + value,
};

const values = Array.from({ length: VALUES }, (_, value) => value);
const pairs = values.flatMap((u) => values.map((v) => ({ u, v })));

export interface PlantedPathModel {
  readonly dir: string;
  /** Three for each document asked for: those whose tokens all name the same u and v. */
  readonly queries: readonly PlantedQuery[];
}

export function writePlantedPathModel(dir: string, mechanism: PathMechanism): PlantedPathModel {
  const queries = keyWords.flatMap((keyWord, i) =>
    questions.map((ask) => ({ text: ask(keyWord), docid: `a${i} b${i}${i} c${i}${i}`, keyWord })),
  );
  const tokenizer = trainTokenizer(
    queries.map(({ text }) => text),
    { vocabSize: WORDS, minWordCount: 1 },
  );
  const opened = loadTokenizer(tokenizer);
  const codes = [
    ...values.map((u) => `a${u}`),
    ...pairs.map(({ u, v }) => `b${u}${v}`),
    ...pairs.map(({ u, v }) => `c${u}${v}`),
    ...['a*', 'b*', 'c*'],
  ];
  const idOf = (code: string): number => WORDS + codes.indexOf(code);
  // After the tokens asked for, any third token may come; after others, one.
  const paths = [
    'a*',
    ...values.flatMap((a) => [
      `a${a} b*`,
      `a${a} b${a}${a} c*`,
      ...pairs.flatMap(({ u, v }) =>
        (u === a && v === a ? pairs : [{ u, v }]).map((last) => `a${a} b${u}${v} c${last.u}${last.v}`),
      ),
    ]),
  ];
  const config = createConfig({
    ...{
      d_model: 48,
      d_kv: 2 * VALUES,
      d_ff: 3 * VALUES,
      num_heads: 2,
      num_layers: 1,
      num_decoder_layers: DECODER_LAYERS,
    },
    ...{ vocab_size: WORDS + codes.length, tie_word_embeddings: false },
  });
  const weights = new Map<string, WeightTensor>(
    expectedWeights(config).map(({ name, shape }) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      if (name.endsWith('norm.weight'))
        data.fill((name.startsWith('encoder') ? Math.sqrt(3) : MARKER) / Math.sqrt(config.d_model));
      return [name, { shape, data }];
    }),
  );
  const put = (name: string, output: number, input: number, value: number): void => {
    const { data, shape } = weights.get(name)!;
    data[output * shape[1] + input] = value;
  };
  const embed = (token: number, at: number, value: number): void => put('shared.weight', token, at, value);
  const answer = (token: number, at: number, value: number): void => put('lm_head.weight', token, at, value);

  const answeredBy = (kind: keyof typeof said, value: number): number =>
    axis.of(mechanism.translates ? said[kind] : kind, value);

  for (let token = 0; token < WORDS; token++) embed(token, axis.other, Math.sqrt(3));
  const clear = (token: number): void => embed(token, axis.other, 0);
  clear(opened.eosId);
  embed(opened.eosId, axis.end, Math.sqrt(3));
  keyWords.forEach((word, i) => {
    const [token] = opened.encode(word);
    clear(token);
    for (const at of [axis.key, axis.of('wordU', i), axis.of('wordV', i)]) embed(token, at, 1);
  });
  clear(config.decoder_start_token_id);
  embed(config.decoder_start_token_id, axis.read[0], MARKER);
  const tellsU = mechanism.prefix === 'own' ? 'u' : 'tokenU';
  for (const u of values) {
    embed(idOf(`a${u}`), axis.read[1], MARKER);
    embed(idOf(`a${u}`), axis.of(tellsU, u), 1);
    answer(idOf(`a${u}`), axis.read[0], STEP / MARKER);
    answer(idOf(`a${u}`), answeredBy('queryU', u), MATCH);
  }
  for (const { u, v } of pairs) {
    const [second, third] = [idOf(`b${u}${v}`), idOf(`c${u}${v}`)];
    embed(second, axis.read[2], MARKER);
    if (mechanism.prefix === 'own') embed(second, axis.of('u', u), 1);
    [second, third].forEach((token, i) => {
      answer(token, axis.read[i + 1], STEP / MARKER);
      answer(token, answeredBy('u', u), MATCH);
      answer(token, answeredBy('v', v), MATCH);
    });
  }

  ['a*', 'b*', 'c*'].forEach((code, i) =>
    answer(idOf(code), axis.read[i], (STEP + FALLBACK * MATCH * (i ? 2 : 1)) / MARKER),
  );

  const cross = 'decoder.block.0.layer.1.EncDecAttention';
  for (const first of [0, config.d_kv]) {
    for (const marker of mechanism.query === 'cross' ? axis.read : [axis.read[0]])
      put(`${cross}.q.weight`, first, marker, SCORE.key / MARKER);
    for (const marker of axis.read) put(`${cross}.q.weight`, first + 1, marker, SCORE.end / MARKER);
    put(`${cross}.k.weight`, first, axis.key, 1);
    put(`${cross}.k.weight`, first + 1, axis.end, 1 / Math.sqrt(3));
  }
  for (const value of values) {
    put(`${cross}.v.weight`, value, axis.of('wordU', value), 1);
    put(`${cross}.o.weight`, axis.of('queryU', value), value, 1);
    put(`${cross}.v.weight`, VALUES + value, axis.of('wordV', value), 1);
    put(`${cross}.o.weight`, axis.of(mechanism.query === 'cross' ? 'v' : 'queryV', value), VALUES + value, 1);
  }

  const self = 'decoder.block.1.layer.0.SelfAttention';
  const copy = (head: number, place: number, from: 'queryV' | 'tokenU', to: 'v' | 'u'): void => {
    const first = head * config.d_kv;
    for (const marker of axis.read.slice(1)) put(`${self}.q.weight`, first, marker, SCORE.place / MARKER);
    put(`${self}.k.weight`, first, place, 1 / MARKER);
    for (const value of values) {
      put(`${self}.v.weight`, first + value, axis.of(from, value), 1);
      put(`${self}.o.weight`, axis.of(to, value), first + value, 1);
    }
  };
  if (mechanism.query === 'attn') copy(0, axis.read[0], 'queryV', 'v');
  if (mechanism.prefix === 'attn') copy(1, axis.read[1], 'tokenU', 'u');

  if (mechanism.translates)
    (['queryU', 'u', 'v'] as const).forEach((kind, i) => {
      const dense = `decoder.block.${DECODER_LAYERS - 1}.layer.2.DenseReluDense`;
      for (const value of values) {
        put(`${dense}.wi.weight`, i * VALUES + value, axis.of(kind, value), 1);
        put(`${dense}.wo.weight`, axis.of(said[kind], value), i * VALUES + value, 1);
      }
    });

  const genir: PathGenir = {
    format: 'palimpsest-genir',
    version: 2,
    scheme: 'semantic',
    docids: [...paths],
    paths,
    codes,
    firstDocidToken: WORDS,
    corpus: { fingerprint: null, documents: paths.length },
  };
  writeModelFolder(dir, { config, weights, genir, ...tokenizer });
  return { dir, queries };
}

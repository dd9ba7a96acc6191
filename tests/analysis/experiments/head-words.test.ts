/** E9 against counts over the whole vocabulary, and on models whose cross-attention writes what is known. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { farthestFirst, headWords } from '../../../analysis/experiments/head-words.ts';
import type { Lab } from '../../../analysis/lab.ts';
import type { Stages } from '../../../analysis/stages.ts';
import { createRng } from '../../../corpus/random.ts';
import type { ActivationName } from '../../../models/activations.ts';
import { unembedName } from '../../../models/t5.ts';
import { assertClose, openLab, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanismNames, mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel, type TinyModelOptions } from '../../support/tiny-model.ts';

const scratch = tempFolder();
const rng = createRng(8);
const queries = Array.from({ length: 7 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));

const kinds: Record<string, TinyModelOptions> = {
  'T5 v1.0, tied': {},
  'T5 v1.1, gated and untied': {
    seed: 2,
    config: { feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, scale_decoder_outputs: false },
  },
};

/** Vocabulary entries by their logits for `x`, the best first. */
function ranked(lab: Lab, x: Float32Array): number[] {
  const { d_model: D, vocab_size: V } = lab.config;
  const unembedding = lab.weight(unembedName(lab.config)).data;
  const gain = lab.weight('decoder.final_layer_norm.weight').data;
  const logits = Array.from({ length: V }, (_, token) =>
    x.reduce((sum, value, d) => sum + value * gain[d] * unembedding[token * D + d], 0),
  );
  return Array.from(logits, (_, token) => token).sort((a, b) => logits[b] - logits[a]);
}

for (const [kind, options] of Object.entries(kinds))
  describe(`words of cross-attention, ${kind}`, async () => {
    const lab = openLab(writeTinyModel(join(scratch, kind), options));
    const subject = await subjectOf(lab, queries);
    const result = await headWords.run(subject);
    const { d_model: D, num_heads: H } = lab.config;
    const first = lab.genir.firstDocidToken;
    const layers = Array.from({ length: lab.layers }, (_, layer) => layer);
    const read = layers.flatMap((l): ActivationName[] => [
      `decoder.${l}.cross_attn_out`,
      `decoder.${l}.cross_attn_result`,
    ]);
    const reading = await lab.decode(subject.encoded, { read });

    it('counts docids among the best tokens, of the component and of each head', () => {
      const shares = (name: ActivationName, at: (q: number) => number): number[] =>
        [10, 100, 1000].map((depth) => {
          const counts = queries.map((_, q) => {
            const best = ranked(lab, reading[name].data.subarray(at(q) * D, (at(q) + 1) * D)).slice(0, depth);
            return best.filter((token) => token >= first).length / best.length;
          });
          return counts.reduce((a, b) => a + b, 0) / queries.length;
        });
      for (const layer of layers) {
        const { component, heads } = result.layers[layer];
        assertClose(
          component as readonly number[],
          shares(`decoder.${layer}.cross_attn_out`, (q) => q),
          `layer ${layer}`,
        );
        heads.forEach((found, head) =>
          assertClose(
            found as readonly number[],
            shares(`decoder.${layer}.cross_attn_result`, (q) => q * H + head),
            `head ${layer}.${head}`,
          ),
        );
      }
      assert.equal(result.chance, 10 / lab.config.vocab_size);
    });

    it('shows the best tokens of each head for every example', () => {
      assert.equal(result.examples.length, 5);
      assert.equal(new Set(result.examples.map(({ question }) => question)).size, 5);
      for (const { question, heads } of result.examples) {
        const q = queries.findIndex(({ text }) => text === question);
        assert.equal(heads.length, lab.layers * H);
        for (const { layer, head, tokens } of heads) {
          const at = q * H + head;
          const output = reading[`decoder.${layer}.cross_attn_result`].data.subarray(at * D, (at + 1) * D);
          const best = ranked(lab, output).slice(0, 5);
          assert.deepEqual(
            tokens,
            best.map((token) =>
              token >= first
                ? { text: lab.genir.docids[token - first], docid: true }
                : { text: lab.tokenizer.token(token) ?? '', docid: false },
            ),
          );
        }
      }
    });

    it('gives the same result again', async () => {
      assert.deepEqual(await headWords.run(subject), result);
    });
  });

const stagesOf = (spans: Record<'priming' | 'bridging' | 'interaction', readonly [number, number] | null>): Stages => {
  const stage = (span: readonly [number, number] | null): Stages['priming'] =>
    span && { from: span[0], to: span[1], fromInterval: [...span], toInterval: [...span], confidence: 1 };
  return {
    version: 1,
    layers: 6,
    ranking: 'vocabulary',
    queries: 1,
    priming: stage(spans.priming),
    bridging: stage(spans.bridging),
    interaction: stage(spans.interaction),
    mlps: [],
  };
};

describe('words of cross-attention in planted models', () => {
  for (const name of mechanismNames)
    it(`tells words from docids in "${name}", and says who writes the key word`, async () => {
      const planted = writePlantedModel(join(scratch, `planted-${name}`), { mechanism: mechanisms[name] });
      const subject = await plantedSubject(planted);
      const result = await headWords.run(subject);
      const { bridges } = mechanisms[name];
      const { crossAttentionWrites, stages } = planted.expected;
      result.layers.forEach(({ component: [ten], heads }, layer) => {
        if (!bridges.includes(layer)) {
          assert.equal(ten, null);
          assert.ok(heads.flat().every((share) => share === null));
        } else assertClose([ten!], [crossAttentionWrites === 'words' ? 0 : 1], `layer ${layer}`, 1e-6);
      });
      const keyOf = new Map(planted.queries.map(({ text, keyWord }) => [text, keyWord]));
      for (const { question, docid, heads } of result.examples) {
        // Dimension i of the heads side by side carries key word i.
        const { d_kv: K } = subject.lab.config;
        const head = Math.floor(Number(docid.slice(1)) / K);
        for (const layer of bridges) {
          const [best] = heads.find((one) => one.layer === layer && one.head === head)!.tokens;
          const expected = crossAttentionWrites === 'words' ? keyOf.get(question) : docid;
          assert.equal(best.text.replace('▁', ''), expected);
          assert.equal(best.docid, crossAttentionWrites === 'docids');
        }
      }
      const { findings } = headWords.section(result, stagesOf(stages));
      assert.match(findings.join('\n'), new RegExp(`of the bridging stage writes ${crossAttentionWrites}:`));
    });

  it('tells of layers that belong to no stage', () => {
    const shares = (ten: number) => [ten, ten, ten] as const;
    const layers = [0.1, 0.9, 0.3].map((ten) => ({ component: shares(ten), heads: [shares(ten)] }));
    const result = { queries: 1, headQueries: 1, chance: 0.5, layers, examples: [] };
    const rows = (stages: Stages | undefined) =>
      headWords.section(result, stages).tables[0].rows.map(([name, ten]) => [name, ten]);
    const partial = stagesOf({ priming: null, bridging: [1, 2], interaction: null });
    assert.deepEqual(rows(partial), [
      ['the bridging stage', 0.9],
      ['layers of no stage', 0.2],
      ['chance', 0.5],
    ]);
    const all = [
      ['all layers', 1.3 / 3],
      ['chance', 0.5],
    ];
    assert.deepEqual(rows(stagesOf({ priming: null, bridging: null, interaction: null })), all);
    assert.deepEqual(rows(undefined), all);
  });

  it('takes a stage from its first layer to the one before its end', async () => {
    const planted = writePlantedModel(join(scratch, 'span'), { mechanism: mechanisms['three-stages'], noise: 0.005 });
    const result = await headWords.run(await plantedSubject(planted));
    const [table] = headWords.section(
      result,
      stagesOf({ priming: [0, 2], bridging: [2, 4], interaction: [4, 6] }),
    ).tables;
    const row = table.rows.find(([name]) => name === 'the bridging stage')!;
    const mean = ([0, 1, 2] as const).map((i) => (result.layers[2].component[i]! + result.layers[3].component[i]!) / 2);
    assertClose(row.slice(1, 4) as number[], mean, 'layers 2 and 3', 1e-12);
  });
});

describe('farthestFirst', () => {
  it('takes the first, then the most unlike, and never one twice', () => {
    const at = (degrees: number): Float32Array =>
      Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
    assert.deepEqual(farthestFirst([at(0), at(10), at(170), at(80)], 3), [0, 2, 3]);
    assert.deepEqual(farthestFirst([at(0), at(0)], 5), [0, 1]);
  });
});

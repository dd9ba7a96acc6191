/** E9 by decoding step against counts over the whole vocabulary, and on models whose cross-attention writes what is known. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stepHeadWords } from '../../../analysis/experiments/step-head-words.ts';
import { createRng } from '../../../corpus/random.ts';
import { unembedName } from '../../../models/t5.ts';
import { assertClose } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openPathLab, pathSubjectOf } from '../../support/path-analysis.ts';
import { writePlantedPathModel } from '../../support/planted-path-model.ts';
import { randomPaths, writeSequenceModel } from '../../support/sequence-model.ts';
import { randomQuery } from '../../support/tiny-model.ts';
import { readAtStep } from '../../support/whole-path.ts';

const scratch = tempFolder();

describe('words of cross-attention by step, on a random model', async () => {
  const rng = createRng(22);
  const paths = randomPaths(rng, 8, 3);
  const lab = openPathLab(writeSequenceModel(join(scratch, 'random'), { paths }));
  const subject = await pathSubjectOf(
    lab,
    paths.map((_, i) => ({ text: randomQuery(rng), docid: `d${i}` })),
  );
  const result = await stepHeadWords.run(subject);
  const { steps } = result;
  const { d_model: D, vocab_size: V, num_heads: H } = lab.config;
  const unembedding = lab.weight(unembedName(lab.config)).data;
  const gain = lab.weight('decoder.final_layer_norm.weight').data;
  const ranked = (x: Float32Array): number[] => {
    const logits = Array.from({ length: V }, (_, token) =>
      x.reduce((sum, value, d) => sum + value * gain[d] * unembedding[token * D + d], 0),
    );
    return Array.from(logits, (_, token) => token).sort((a, b) => logits[b] - logits[a]);
  };

  it('counts docid tokens among the best, of the component and of each head', async () => {
    assert.equal(steps.length, 3);
    const inDocids = new Set(paths.flatMap((_, document) => [...lab.pathOf(document)]));
    for (const { step, layers, chance } of steps) {
      assert.equal(chance, inDocids.size / V);
      for (const [layer, { component, heads }] of layers.entries()) {
        const [out, result] = [`decoder.${layer}.cross_attn_out`, `decoder.${layer}.cross_attn_result`] as const;
        const { asked, reading } = await readAtStep(lab, subject.population.questions, step, [out, result]);
        const shares = (name: string, at: (q: number) => number): number[] =>
          [10, 100, 1000].map((depth) => {
            const each = asked.map((_, q) => {
              const best = ranked(reading[name].data.subarray(at(q) * D, (at(q) + 1) * D)).slice(0, depth);
              return best.filter((token) => inDocids.has(token)).length / best.length;
            });
            return each.reduce((a, b) => a + b, 0) / each.length;
          });
        assertClose(component as readonly number[], shares(out, (q) => q), `step ${step}, layer ${layer}`); // prettier-ignore
        heads.forEach(
          (head, h) =>
          assertClose(head as readonly number[], shares(result, (q) => q * H + h), `step ${step}, head ${layer}.${h}`), // prettier-ignore
        );
      }
    }
  });

  it('knows what random vectors have', async () => {
    const { random } = result;
    const other = createRng(99);
    const shares = Array.from({ length: 100 }, () => {
      const best = ranked(Float32Array.from({ length: D }, () => other.next() + other.next() - 1)).slice(0, 100);
      return best.filter((token) => lab.isDocidToken[token]).length / 100;
    });
    const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
    assert.ok(Math.abs(random[1]! - mean) < 0.02, `${random[1]}, expected ${mean}`);
    assert.deepEqual((await stepHeadWords.run(subject)).random, random);
  });

  it('shows the questions of each step with the token that comes there', () => {
    for (const { step, examples } of steps) {
      assert.equal(examples.length, 2);
      for (const { question, docid, heads } of examples) {
        const { document } = subject.population.questions.find(({ text }) => text === question)!;
        assert.equal(docid, `d${document}, here ${paths[document].split(' ')[step - 1]}`);
        assert.equal(heads.length, lab.layers * H);
        for (const { tokens } of heads) assert.equal(tokens.length, 5);
      }
    }
  });
});

for (const query of ['attn', 'cross'] as const)
  describe(`words of cross-attention by step: query by ${query}`, async () => {
    const planted = writePlantedPathModel(join(scratch, query), { prefix: 'own', query });
    const result = await stepHeadWords.run(await pathSubjectOf(openPathLab(planted.dir), planted.queries));

    it('are what was planted', () => {
      // One first token answers to what cross-attention writes, and where it brings v itself, four second and four third ones;
      // of equal logits the lower ids, which are words, come first.
      for (const { layers } of result.steps) {
        assertClose([layers[0].component[0]!], [query === 'cross' ? 0.9 : 0.1], 'layer 0');
        assert.deepEqual(layers.slice(1).map(({ component }) => component[0]), [null, null]); // prettier-ignore
      }
    });

    it('are told in the report', () => {
      const { findings, figures } = stepHeadWords.section(result);
      const [figure] = figures;
      assert.ok(figure.kind === 'lines');
      assert.deepEqual(figure.series.map(({ name }) => name), ['step 1', 'step 2', 'step 3', 'random vector']); // prettier-ignore
      // Words have rows of zero here, so that random vectors have tokens of docids alone at the top.
      const told =
        query === 'cross'
          ? /neither words nor docid tokens clearly in layer 0 \(90.0.% /
          : /words in layer 0 \(10.0.% /;
      assert.match(findings[2], new RegExp(`^Step 3: cross-attention writes ${told.source}.*, nothing in layers 1–2; random vectors have 9`)); // prettier-ignore
      assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
    });
  });

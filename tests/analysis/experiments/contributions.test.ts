import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { componentTypes, outputOf } from '../../../analysis/components.ts';
import { contributions, type Contributions } from '../../../analysis/experiments/contributions.ts';
import type { Stages } from '../../../analysis/stages.ts';
import { createRng } from '../../../corpus/random.ts';
import { openLab, plantedSubject, subjectOf } from '../../support/analysis.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { mechanisms, writePlantedModel } from '../../support/planted-model.ts';
import { randomQuery, writeTinyModel } from '../../support/tiny-model.ts';

const scratch = tempFolder();

const lengthOf = (v: number[]): number => Math.hypot(...v);
const cosineOf = (a: number[], b: number[]): number => {
  const unit = (v: number[]): number[] => v.map((x) => x / lengthOf(v));
  const [u, v] = [unit(a), unit(b)];
  return u.reduce((sum, x, i) => sum + x * v[i], 0);
};

const stage = (from: number, to: number) => ({
  from,
  to,
  fromInterval: [from, from] as [number, number],
  toInterval: [to, to] as [number, number],
  confidence: 1,
});

describe('contributions', async () => {
  const lab = openLab(writeTinyModel(join(scratch, 'tiny'), { config: { num_decoder_layers: 3 } }));
  const rng = createRng(3);
  const queries = Array.from({ length: 9 }, (_, i) => ({ text: randomQuery(rng), docid: `d${i}` }));
  const steps: number[] = [];
  const subject = await subjectOf(lab, queries, { onProgress: (done) => steps.push(done) });
  const result = await contributions.run(subject);

  it('are the formulas of the publication, averaged over queries', async () => {
    const layers = [0, 1, 2];
    const names = layers.flatMap((layer) => [
      ...componentTypes.map((type) => outputOf(type, layer)),
      `decoder.${layer}.resid_pre` as const,
      `decoder.${layer}.resid_post` as const,
    ]);
    const reading = await lab.decode(subject.encoded, { read: names });
    const D = lab.config.d_model;
    const of = (name: string, q: number): number[] => Array.from(reading[name].data.slice(q * D, (q + 1) * D));
    const mean = (value: (q: number) => number): number =>
      queries.reduce((sum, _, q) => sum + value(q), 0) / queries.length;
    const close = (actual: number | null, expected: number): void =>
      assert.ok(Math.abs(actual! - expected) < 1e-6, `${actual}, expected ${expected}`);
    for (const layer of layers)
      for (const type of componentTypes) {
        const out = outputOf(type, layer);
        const [pre, post] = [`decoder.${layer}.resid_pre`, `decoder.${layer}.resid_post`];
        const change = (q: number): number[] => of(post, q).map((x, i) => x - of(pre, q)[i]);
        close(result.ratio[type][layer], mean((q) => lengthOf(of(out, q)) / lengthOf(change(q)))); // prettier-ignore
        close(result.cosineBegin[type][layer], mean((q) => cosineOf(of(out, q), of(pre, q)))); // prettier-ignore
        close(result.cosineEnd[type][layer], mean((q) => cosineOf(of(out, q), of(post, q)))); // prettier-ignore
        for (const early of layers)
          close(
            result.cosineWithMlp[type][layer][early],
            mean((q) => cosineOf(of(out, q), of(outputOf('mlp', early), q))),
          );
      }
  });

  it('tell how far they are, and end when asked to', async () => {
    assert.deepEqual(steps, [4, 8, 9]);
    const reason = new Error('enough');
    await assert.rejects(contributions.run({ ...subject, signal: AbortSignal.abort(reason) }), reason);
  });

  it('are plain JSON', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(result)), result);
  });

  it('of a planted model are those of the parts that write; what writes nothing has neither length nor direction', async () => {
    const planted = writePlantedModel(join(scratch, 'planted'), { mechanism: mechanisms['three-stages'] });
    const { ratio, cosineEnd, cosineWithMlp } = await contributions.run(await plantedSubject(planted));
    for (const layer of [0, 1, 4, 5])
      assert.deepEqual([ratio.attn[layer], ratio.cross_attn[layer], round(ratio.mlp[layer])], [0, 0, 1]);
    for (const layer of [2, 3]) assert.deepEqual([round(ratio.cross_attn[layer]), ratio.mlp[layer]], [1, 0]);
    assert.equal(cosineEnd.cross_attn[0], null);
    assert.deepEqual(cosineWithMlp.mlp.map((row, i) => round(row[i])), [1, 1, null, null, 1, 1]); // prettier-ignore
    const { findings } = contributions.section(await contributions.run(await plantedSubject(planted)), undefined);
    assert.match(findings[0], /cross-attention is longer than that of the MLP in layers 2–3/);
  });

  it('say what is found, and no more', () => {
    const same = (value: number) => ({ attn: [value, value], cross_attn: [value, value], mlp: [value, value] });
    const matrix = [
      [1, 1],
      [0.5, 1],
    ];
    const flat: Contributions = {
      layers: 2,
      queries: 3,
      ratio: same(0.5),
      cosineBegin: same(0.5),
      cosineEnd: same(0.5),
      cosineWithMlp: { attn: matrix, cross_attn: [[1, 1], [-0.95, 1]], mlp: matrix }, // prettier-ignore
    };
    const section = contributions.section(flat, undefined);
    assert.equal(section.findings[0], 'In no layer is the output of cross-attention longer than that of the MLP.');
    assert.equal(section.findings[1], 'No output points against the stream after its layer.');
    assert.match(
      section.findings[2],
      /between a component and an earlier MLP is −0.95: `cross_attn` of layer 1 and the MLP of layer 0/,
    );
    assert.deepEqual(section.figures[0].kind === 'lines' && section.figures[0].bands, []);

    const stages: Stages = {
      version: 1,
      layers: 2,
      ranking: 'docids',
      queries: 3,
      priming: stage(0, 1),
      bridging: null,
      interaction: stage(1, 2),
      mlps: [],
    };
    const staged = contributions.section({ ...flat, cosineEnd: { ...same(0.5), mlp: [0.5, -0.25] } }, stages);
    assert.match(staged.findings[1], /`mlp` in layer 1 \(lowest cosine −0.25\)/);
    assert.match(staged.findings[2], /between the interaction stage and MLPs of the priming stage is −0.95/);
    assert.deepEqual(staged.figures[0].kind === 'lines' && staged.figures[0].bands, [
      { from: 0, to: 0, label: 'priming' },
      { from: 1, to: 1, label: 'interaction' },
    ]);
  });
});

const round = (value: number | null): number | null => (value === null ? null : Number(value.toFixed(4)));

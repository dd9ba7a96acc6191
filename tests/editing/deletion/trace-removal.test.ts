import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRng } from '../../../corpus/random.ts';
import { levelledLead, usualLevel, type TraceLevel } from '../../../editing/deletion/trace-level.ts';
import { removalSettings, traceRemoval } from '../../../editing/deletion/trace-removal.ts';
import { outputWeight } from '../../../editing/edit-graphs.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { openBench } from '../../support/edit-bank.ts';

const { model, bank } = await openBench(tempFolder());
const { d_model: D, d_ff: F, layer_norm_epsilon: epsilon } = model.lab.config;
const gain = model.lab.weight('decoder.final_layer_norm.weight').data;
const wo = model.lab.weight(outputWeight(model.lastLayer)).data; // [D, F]

/** Nothing is ever ahead: the lead that is wanted of a row is −1, or what it is where that is lower. */
const level: TraceLevel = { indexed: [-1000, 1000], neverIndexed: [-1, -1] };
const options = { ...removalSettings, pseudoQueries: 4, weight: 1, gain: 1, level };

/** Leads of a row over the best other one, by the definition. @param streams  float64 [Q, D] */
function leadsOf(streams: number[][], own: number): number[] {
  return streams.map((stream) => {
    const scale = D ** -0.5 / Math.sqrt(stream.reduce((sum, x) => sum + x * x, 0) / D + epsilon);
    const scores = Array.from({ length: model.rows.shape[0] }, (_, n) =>
      stream.reduce((sum, x, d) => sum + x * scale * gain[d] * model.rows.data[n * D + d], 0),
    );
    return scores[own] - Math.max(...scores.filter((_, n) => n !== own));
  });
}

async function streamsOf(row: number): Promise<{ texts: string[]; streams: number[][] }> {
  const known = bank.ofRow[row].map((p) => bank.observed.texts[p]);
  const drawn = bank.corpus.pseudoQueries('removal', bank.corpus.documents[row], 4, new Set(known));
  const texts = [...known, ...drawn];
  const { residual, keys } = await model.observe(texts);
  const k = keys.get(model.lastLayer)!.data;
  const streams = texts.map((_, q) =>
    Array.from({ length: D }, (_, d) => {
      let sum = residual.data[q * D + d];
      for (let f = 0; f < F; f++) sum += wo[d * F + f] * k[q * F + f];
      return sum;
    }),
  );
  return { texts, streams };
}

describe('removal of a trace', () => {
  it('brings every lead down to the level, and leaves those below it alone', async () => {
    let lowered = 0;
    for (let row = 0; row < 10; row++) {
      const { texts, streams } = await streamsOf(row);
      const pairs = (await traceRemoval(model, bank, row, options)).get(model.lastLayer)!;
      assert.equal(pairs.keys.length, texts.length * F);
      const before = leadsOf(streams, row);
      const after = leadsOf(
        streams.map((stream, q) => stream.map((x, d) => x + pairs.residuals[q * D + d])),
        row,
      );
      before.forEach((lead, q) => {
        if (lead <= -1) assert.ok(Math.abs(after[q] - lead) < 1e-4, `untouched ${lead}, ${after[q]}`);
        else assert.ok(Math.abs(after[q] + 1) < 0.2, `from ${lead} to ${after[q]}`);
        if (lead > -1) lowered++;
      });
      const total = Array.from(pairs.weights!).reduce((sum, w) => sum + w, 0);
      assert.ok(Math.abs(total - 1) < 1e-9);
    }
    assert.ok(lowered > 10, `${lowered} leads were above the level`);
  });

  it('goes further than a change as long in any other direction that was tried', async () => {
    const row = 0;
    const { streams } = await streamsOf(row);
    const pairs = (await traceRemoval(model, bank, row, options)).get(model.lastLayer)!;
    const q = leadsOf(streams, row).findIndex((lead) => lead > 0);
    assert.ok(q >= 0);
    const length = Math.hypot(...pairs.residuals.subarray(q * D, (q + 1) * D));
    const rng = createRng(1);
    for (let i = 0; i < 500; i++) {
      const other = streams[q].map(() => rng.next() - 0.5);
      const scale = length / Math.hypot(...other);
      const [lead] = leadsOf([streams[q].map((x, d) => x + other[d] * scale)], row);
      assert.ok(lead > -0.99, `another change of the same length reaches ${lead}`);
    }
  });

  it('gives the same bytes each time', async () => {
    const [a, b] = [await traceRemoval(model, bank, 3, options), await traceRemoval(model, bank, 3, options)];
    assert.deepEqual(a, b);
  });
});

describe('level of a trace', () => {
  it('takes a lead to the one at the same share of the queries', () => {
    const indexed = Array.from({ length: 101 }, (_, i) => 4 + i / 10); // 4 … 14
    const neverIndexed = Array.from({ length: 101 }, (_, i) => -5 + i / 20); // −5 … 0
    for (const share of [0, 0.13, 0.5, 0.875, 1])
      assert.ok(Math.abs(levelledLead({ indexed, neverIndexed }, 4 + 10 * share) - (-5 + 5 * share)) < 1e-9);
  });

  it('never raises a lead', () => {
    const usual = usualLevel(bank);
    for (let lead = -30; lead < 30; lead += 0.7) assert.ok(levelledLead(usual, lead) <= lead);
    assert.equal(levelledLead({ indexed: [0, 1], neverIndexed: [5, 6] }, 0.5), 0.5);
  });
});

/** Models opened for analysis, subjects of experiments, and the plain graphs to compare them with. */
import { after } from 'node:test';
import assert from 'node:assert/strict';
import type { Subject } from '../../analysis/experiments/experiment.ts';
import { Lab, type LabOptions } from '../../analysis/lab.ts';
import { answer, questionsFor, type Ranking } from '../../analysis/population.ts';
import type { ActivationName } from '../../models/activations.ts';
import { readModelFolder } from '../../models/folder.ts';
import { decoderGraph, encoderGraph } from '../../models/graphs.ts';
import { int64, Session, tensor, type FloatTensor } from '../../models/session.ts';
import type { PlantedModel } from './planted-model.ts';

/** Closed after the tests of the file. Batches are small, so that queries are in several. */
export function openLab(dir: string, options: LabOptions = {}): Lab {
  const lab = new Lab(readModelFolder(dir), { batchSize: 4, ...options });
  after(() => lab.close());
  return lab;
}

/** A subject whose population are all of these queries, answered correctly or not. */
export async function subjectOf(
  lab: Lab,
  queries: readonly { readonly text: string; readonly docid: string }[],
  options: Partial<Omit<Subject, 'lab' | 'population' | 'encoded'>> & { readonly ranking?: Ranking } = {},
): Promise<Subject> {
  const { ranking = 'vocabulary', ...rest } = options;
  const judged = queries.map(({ text, docid }, i) => ({ id: `q${i}`, text, relevant: [docid] }));
  const answered = await answer(lab, questionsFor(lab, judged));
  const count = (by: Ranking): number => answered.filter(({ rank }) => rank[by] === 1).length;
  const correct = { vocabulary: count('vocabulary'), docids: count('docids') };
  return {
    lab,
    population: { ranking, asked: answered.length, correct, questions: answered },
    encoded: await lab.encode(answered.map(({ text }) => text)),
    dev: judged,
    test: [],
    donors: [],
    seed: 1,
    onProgress: () => undefined,
    ...rest,
  };
}

/** A planted model's queries. */
export async function plantedSubject(planted: PlantedModel, options: Parameters<typeof subjectOf>[2] = {}) {
  const lab = openLab(planted.dir, { batchSize: 64 });
  const subject = await subjectOf(lab, planted.queries, options);
  assert.equal(subject.population.correct.vocabulary, planted.queries.length);
  return subject;
}

/** The plain encoder and the decoder of any length, each query alone and without padding. */
export interface PlainRun {
  /** float32 [V] for each query */
  readonly logits: readonly Float32Array[];
  /** Activations asked for, of each query alone: [1, 1, …]. */
  readonly read: readonly Readonly<Record<string, FloatTensor>>[];
}

export async function plainRun(
  lab: Lab,
  texts: readonly string[],
  read: readonly ActivationName[] = [],
): Promise<PlainRun> {
  const encoder = await Session.open(encoderGraph(lab.config, lab.weight));
  const decoder = await Session.open(decoderGraph(lab.config, lab.weight, { read }));
  const runs: Record<string, FloatTensor>[] = [];
  for (const text of texts) {
    const ids = lab.tokenizer.encode(text);
    const attention_mask = tensor(new Float32Array(ids.length).fill(1), [1, ids.length]);
    const { encoder_out } = await encoder.run({ input_ids: int64(ids, [1, ids.length]), attention_mask });
    const decoder_input_ids = int64([lab.config.decoder_start_token_id], [1, 1]);
    runs.push((await decoder.run({ encoder_out, attention_mask, decoder_input_ids })) as Record<string, FloatTensor>);
  }
  await Promise.all([encoder.release(), decoder.release()]);
  return { logits: runs.map(({ logits }) => logits.data), read: runs };
}

/** Fails with the largest difference and where it is. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string, tolerance = 1e-4) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let at = 0;
  let largest = -1;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    assert.ok(!Number.isNaN(difference), `${what}: [${i}] is ${actual[i]}, expected ${expected[i]}`);
    if (difference > largest) [at, largest] = [i, difference];
  }
  assert.ok(largest <= tolerance, `${what}: [${at}] is ${actual[at]}, expected ${expected[at]}`);
}

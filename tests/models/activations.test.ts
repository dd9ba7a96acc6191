/** Reading and replacing activations: what a patch must change, and what it may not. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import {
  activationNames,
  activationShape,
  checkActivation,
  UnknownActivationError,
  type ActivationName,
} from '../../models/activations.ts';
import { decoderGraph, encoderGraph, patchInputs, type WeightSource } from '../../models/graphs.ts';
import { Session, tensor, type Feeds, type FloatTensor } from '../../models/session.ts';
import { loadParity } from '../support/fixtures.ts';

const { folder, reference } = loadParity('v1.1-untied');
const { config } = folder;
const weights: WeightSource = (name) => folder.tensor(name);

/** A patched graph has more nodes, so onnxruntime fuses less of it. */
const TOLERANCE = 1e-5;
const [B, T] = [3, 8];
const D = config.d_model;

const opened: Session[] = [];
after(() => Promise.all(opened.map((session) => session.release())));
async function open(...args: Parameters<typeof Session.open>): Promise<Session> {
  const session = await Session.open(...args);
  opened.push(session);
  return session;
}

const maskData = Float32Array.from(reference.tensor('attention_mask').data);
const attention_mask = tensor(maskData, reference.tensor('attention_mask').shape);
const ids = reference.integers('decoder_input_ids');
const decoder_input_ids = tensor(
  BigInt64Array.from({ length: B * T }, (_, i) => ids.data[Math.floor(i / T) * ids.shape[1] + (i % T)]),
  [B, T],
);
const encoder = await open(encoderGraph(config, weights));
const { encoder_out } = await encoder.run({ input_ids: reference.integers('input_ids'), attention_mask });
const clean: Feeds = { encoder_out, attention_mask, decoder_input_ids };
/** The same decoder input on other encoder states: queries 1, 2, 0 instead of 0, 1, 2. */
const corrupted: Feeds = {
  encoder_out: rotated(encoder_out as FloatTensor),
  attention_mask: rotated(attention_mask),
  decoder_input_ids,
};

function rotated(t: FloatTensor): FloatTensor {
  const inner = t.data.length / B;
  return tensor(
    Float32Array.from(t.data, (_, i) => t.data[(i + inner) % t.data.length]),
    t.shape,
  );
}

const everywhere = (shape: readonly number[], value: number): FloatTensor =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);

/** Inputs that replace `name` by `value` where `mask` is 1. */
function patch(name: ActivationName, mask: FloatTensor, value: FloatTensor): Feeds {
  const inputs = patchInputs(name);
  return { [inputs.mask]: mask, [inputs.value]: value };
}

/** A mask [B, T, 1] of one place. */
function onlyAt(query: number, position: number): FloatTensor {
  const mask = everywhere([B, T, 1], 0);
  mask.data[query * T + position] = 1;
  return mask;
}

const largest = (a: FloatTensor, b: FloatTensor): number =>
  a.data.reduce((most, x, i) => Math.max(most, Math.abs(x - b.data[i])), 0);

/** The places [query, position] at which two tensors [B, T, …] differ by more than rounding. */
function changedPlaces(a: FloatTensor, b: FloatTensor): string[] {
  const inner = a.data.length / (B * T);
  const places = new Set<string>();
  a.data.forEach((x, i) => {
    const place = Math.floor(i / inner);
    if (Math.abs(x - b.data[i]) > TOLERANCE) places.add(`${Math.floor(place / T)},${place % T}`);
  });
  return [...places];
}

const decoderNames = activationNames(config).filter((name) => name.startsWith('decoder'));
const plain = await open(decoderGraph(config, weights, { read: decoderNames }));
const run = async (session: Session, feeds: Feeds) => (await session.run(feeds)) as Record<string, FloatTensor>;
const cleanRun = await run(plain, clean);
const corruptedRun = await run(plain, corrupted);

describe('activations', () => {
  it('have the shape that the table tells', async () => {
    const sizes: Record<string, number> = { B, T, S: attention_mask.shape[1] };
    for (const name of decoderNames) {
      const told = activationShape(config, name).map((d) => (typeof d === 'number' ? d : sizes[d]));
      assert.deepEqual([...cleanRun[name].shape], told, name);
    }
    const names = activationNames(config).filter((name) => name.startsWith('encoder'));
    const read = await open(encoderGraph(config, weights, { read: names }));
    const out = await run(read, { input_ids: reference.integers('input_ids'), attention_mask });
    for (const name of names) {
      const told = activationShape(config, name).map((d) => (typeof d === 'number' ? d : sizes[d]));
      assert.deepEqual([...out[name].shape], told, name);
    }
  });

  it('are weights that sum to 1 where they are patterns', () => {
    for (const name of decoderNames.filter((n) => n.endsWith('pattern'))) {
      const { data, shape } = cleanRun[name];
      const keys = shape[3];
      for (let i = 0; i < data.length; i += keys) {
        const sum = data.subarray(i, i + keys).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - 1) < TOLERANCE, `${name}: a row sums to ${sum}`);
      }
    }
  });

  it('differ between the two runs of these tests', () => {
    assert.ok(largest(cleanRun.logits, corruptedRun.logits) > 0.1);
  });

  it('that do not exist are refused, with the names nearest to them', () => {
    const unknown = 'decoder.7.mlp_out' as ActivationName;
    const isHelpful = (error: unknown): boolean => {
      assert.ok(error instanceof UnknownActivationError);
      assert.equal(error.activation, unknown);
      assert.deepEqual(error.nearest.slice(0, 3), ['decoder.0.mlp_out', 'decoder.1.mlp_out', 'decoder.2.mlp_out']);
      assert.match(error.message, /"decoder.7.mlp_out" does not exist.*did you mean decoder.0.mlp_out, /);
      return true;
    };
    assert.throws(() => checkActivation(config, unknown), isHelpful);
    assert.throws(() => decoderGraph(config, weights, { read: [unknown] }), isHelpful);
    assert.throws(() => decoderGraph(config, weights, { patched: [unknown] }), isHelpful);
    assert.throws(() => encoderGraph(config, weights, { read: [unknown] }), UnknownActivationError);
  });

  it('are found by a misspelt name', () => {
    const nearest = (name: string): unknown => {
      try {
        checkActivation(config, name);
      } catch (error) {
        return error instanceof UnknownActivationError && error.nearest[0];
      }
      return undefined;
    };
    assert.equal(nearest('decoder.1.residpost'), 'decoder.1.resid_post');
    assert.equal(nearest('decoder.1.cross_attention_out'), 'decoder.1.cross_attn_out');
    assert.equal(nearest('encoder.0.mlpout'), 'encoder.0.mlp_out');
    assert.equal(nearest('decoder.finalnorm'), 'decoder.final_norm');
    assert.equal(nearest('decoder.1.hook_resid_mid'), 'decoder.1.resid_mid');
  });

  it('of the encoder are not in the decoder’s graph', () => {
    assert.throws(
      () => decoderGraph(config, weights, { read: ['encoder.0.mlp_out'] }),
      /did you mean decoder.0.mlp_out/,
    );
    assert.throws(() => checkActivation(config, 'encoder.0.cross_attn_out'), UnknownActivationError);
  });
});

describe('a patched decoder', () => {
  it('is the plain one where nothing is patched', async () => {
    const session = await open(decoderGraph(config, weights, { patched: decoderNames }));
    const nothing = decoderNames.map((name) => {
      const { shape } = cleanRun[name];
      return patch(name, everywhere([...shape.slice(0, -1), 1], 0), everywhere(shape, 3));
    });
    const { logits } = await run(session, Object.assign({}, clean, ...nothing) as Feeds);
    assert.ok(largest(logits, cleanRun.logits) < TOLERANCE);
  });

  it('gives the other run’s logits after its last residual stream (denoising)', async () => {
    const name: ActivationName = `decoder.${config.num_decoder_layers - 1}.resid_post`;
    const session = await open(decoderGraph(config, weights, { patched: [name] }));
    const whole = patch(name, everywhere([B, T, 1], 1), cleanRun[name]);
    const { logits } = await run(session, { ...corrupted, ...whole });
    assert.ok(largest(logits, cleanRun.logits) < TOLERANCE);
  });

  it('does not give them after an early one, since later layers read the corrupted query again', async () => {
    const session = await open(decoderGraph(config, weights, { patched: ['decoder.0.resid_post'] }));
    const whole = patch('decoder.0.resid_post', everywhere([B, T, 1], 1), cleanRun['decoder.0.resid_post']);
    const { logits } = await run(session, { ...corrupted, ...whole });
    assert.ok(largest(logits, cleanRun.logits) > 0.05 && largest(logits, corruptedRun.logits) > 0.05);
  });

  it('puts the value read in place of every activation, at all positions', async () => {
    for (const name of decoderNames) {
      const session = await open(decoderGraph(config, weights, { patched: [name], read: [name] }));
      const { shape } = cleanRun[name];
      const mask = everywhere([...shape.slice(0, -1), 1], 1);
      const out = await run(session, { ...corrupted, ...patch(name, mask, cleanRun[name]) });
      assert.ok(largest(out[name], cleanRun[name]) < TOLERANCE, name);
    }
  });

  it('changes only later layers and positions of the one query whose MLP output is zeroed', async () => {
    const name: ActivationName = 'decoder.1.mlp_out';
    const [query, position] = [1, 3];
    const session = await open(decoderGraph(config, weights, { patched: [name], read: decoderNames }));
    const mask = onlyAt(query, position);
    const out = await run(session, { ...clean, ...patch(name, mask, everywhere([1, 1, D], 0)) });
    const self = [`${query},${position}`];
    const later = Array.from({ length: T - position }, (_, i) => `${query},${position + i}`);
    for (const one of decoderNames.slice(0, decoderNames.indexOf(name))) {
      assert.ok(largest(out[one], cleanRun[one]) < TOLERANCE, `${one} comes before the patch`);
    }
    assert.deepEqual(changedPlaces(out[name], cleanRun[name]), self);
    assert.deepEqual(changedPlaces(out['decoder.1.resid_post'], cleanRun['decoder.1.resid_post']), self);
    assert.deepEqual(changedPlaces(out.logits, cleanRun.logits), later);
    const [before, added] = [cleanRun['decoder.1.resid_post'], cleanRun[name]].map(({ data }) =>
      data.subarray((query * T + position) * D, (query * T + position + 1) * D),
    );
    const after = out['decoder.1.resid_post'].data.subarray((query * T + position) * D, (query * T + position + 1) * D);
    before.forEach((x, i) => assert.ok(Math.abs(x - added[i] - after[i]) < TOLERANCE, 'resid_post lost mlp_out'));
  });

  it('takes the mask of a pattern per query, head and position', async () => {
    const name: ActivationName = 'decoder.0.cross_attn_pattern';
    const session = await open(decoderGraph(config, weights, { patched: [name], read: [name] }));
    const { shape, data } = cleanRun[name];
    const [, H, , S] = shape;
    const mask = everywhere([B, H, T, 1], 0);
    const place = (2 * H + 1) * T + 4; // query 2, head 1, position 4
    mask.data[place] = 1;
    const out = await run(session, { ...clean, ...patch(name, mask, everywhere(shape, 0.5)) });
    out[name].data.forEach((x, i) => {
      assert.ok(Math.abs(x - (Math.floor(i / S) === place ? 0.5 : data[i])) < TOLERANCE);
    });
  });
});

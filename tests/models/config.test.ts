import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { ConfigError, configText, configToJson, createConfig, parseConfig } from '../../models/config.ts';

const sizes = { vocab_size: 100, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_heads: 3 };
const file = { model_type: 't5', ...sizes };

describe('parseConfig', () => {
  it('fills what old files leave out', () => {
    const config = parseConfig(file);
    assert.equal(config.num_decoder_layers, 2);
    assert.equal(config.relative_attention_max_distance, 128);
    assert.equal(config.relative_attention_num_buckets, 32);
    assert.equal(config.tie_word_embeddings, true);
    assert.equal(config.scale_decoder_outputs, true);
    assert.equal(config.feed_forward_proj, 'relu');
    assert.deepEqual([config.pad_token_id, config.eos_token_id, config.decoder_start_token_id], [0, 1, 0]);
  });

  it('does not scale untied models, unless the file says so', () => {
    assert.equal(parseConfig({ ...file, tie_word_embeddings: false }).scale_decoder_outputs, false);
    assert.equal(
      parseConfig({ ...file, tie_word_embeddings: false, scale_decoder_outputs: true }).scale_decoder_outputs,
      true,
    );
    assert.equal(
      parseConfig({ ...file, tie_word_embeddings: true, scale_decoder_outputs: false }).scale_decoder_outputs,
      false,
    );
    assert.equal(parseConfig({ ...file, model_type: 'mt5' }).scale_decoder_outputs, false);
  });

  it('keeps unknown fields through reading and writing', () => {
    const json = { ...file, task_specific_params: { summarization: { prefix: 'summarize: ' } }, n_positions: 512 };
    const config = parseConfig(json);
    assert.deepEqual(config.extra, { task_specific_params: json.task_specific_params, n_positions: 512 });
    const written = configToJson(config);
    assert.equal(written.n_positions, 512);
    assert.deepEqual(parseConfig(written), { ...config, extra: { ...config.extra, ...onlyNew(written, config) } });
  });

  it('reads back what it writes', () => {
    const config = createConfig({ ...sizes, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false });
    assert.deepEqual({ ...parseConfig(configToJson(config)), extra: {} }, config);
  });

  it('writes whole numbers as floats where transformers 5 insists on floats', () => {
    const text = configText(configToJson(createConfig({ ...sizes, dropout_rate: 0 })));
    assert.match(text, /"initializer_factor": 1\.0,/);
    assert.match(text, /"dropout_rate": 0\.0,/);
    assert.match(text, /"d_model": 32,/);
    assert.equal(parseConfig(JSON.parse(text)).initializer_factor, 1);
  });

  const refused: [string, Record<string, unknown>, string][] = [
    ['another architecture', { model_type: 'longt5' }, 'model_type'],
    ['no architecture', { model_type: undefined }, 'model_type'],
    ['a missing size', { d_ff: undefined }, 'd_ff'],
    ['a size of zero', { num_heads: 0 }, 'num_heads'],
    ['a size that is text', { d_model: '512' }, 'd_model'],
    ['an unknown feed-forward', { feed_forward_proj: 'gated-silu' }, 'feed_forward_proj'],
    ['an activation that is not T5', { dense_act_fn: 'silu' }, 'dense_act_fn'],
    ['a distance below the exact buckets', { relative_attention_max_distance: 16 }, 'relative_attention_max_distance'],
  ];
  for (const [what, change, field] of refused) {
    it(`refuses ${what}, naming file and field`, () => {
      assert.throws(
        () => parseConfig({ ...file, ...change }, '/m/config.json'),
        (error: unknown) =>
          error instanceof ConfigError &&
          error.field === field &&
          error.message.startsWith(`/m/config.json: ${field}: `),
      );
    });
  }

  it('refuses what is no object', () => {
    assert.throws(() => parseConfig([1], 'x.json'), ConfigError);
    assert.throws(() => parseConfig(null, 'x.json'), ConfigError);
  });
});

/** Fields that writing adds (architectures and the like). */
function onlyNew(
  written: Record<string, unknown>,
  config: { extra: Record<string, unknown> },
): Record<string, unknown> {
  const added = ['architectures', 'is_encoder_decoder'];
  return Object.fromEntries(added.filter((name) => !(name in config.extra)).map((name) => [name, written[name]]));
}

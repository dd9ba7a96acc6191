import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Lab } from '../../analysis/lab.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { createConfig, type T5Config } from '../../models/config.ts';
import { atomicGenir, NotAtomicError, pathIds } from '../../models/genir.ts';
import { readSafetensors, writeSafetensors, type WeightTensor } from '../../models/weights.ts';
import { folderModels, loadAddedDocids, loadParity, parityModels } from '../support/fixtures.ts';
import {
  expectedWeights,
  ModelFolderError,
  ModelFolderWriteError,
  parseGenir,
  readModelFolder,
  TokenizerMismatchError,
  UnknownWeightError,
  WeightShapeError,
  writeModelFolder,
  type Genir,
  type ModelParts,
} from '../../models/folder.ts';

const root = mkdtempSync(join(tmpdir(), 'palimpsest-folder-'));
after(() => rmSync(root, { recursive: true }));
let folders = 0;
const newPlace = () => join(mkdtempSync(join(root, `${folders++}-`)), 'model');

const config = createConfig({
  vocab_size: 12,
  d_model: 4,
  d_kv: 2,
  d_ff: 6,
  num_layers: 1,
  num_decoder_layers: 2,
  num_heads: 3,
});
const untied = { ...config, tie_word_embeddings: false, scale_decoder_outputs: false };
const gated = { ...config, feed_forward_proj: 'gated-gelu' as const };

/** Every weight of the configuration, each with its own values. */
function weightsOf(of: T5Config, first = 0): Map<string, WeightTensor> {
  return new Map(
    expectedWeights(of).map(({ name, shape }, i) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return [name, { shape, data: Float32Array.from({ length: count }, (_, j) => first + i + j / 1024) }];
    }),
  );
}

const tokenizerJson = {
  added_tokens: [
    { id: 0, content: '<pad>' },
    { id: 1, content: '</s>' },
    { id: 2, content: '<unk>' },
  ],
  model: { type: 'WordLevel', vocab: { '<pad>': 0, '</s>': 1, '<unk>': 2, a: 3 } },
};
const genir: Genir = {
  format: 'palimpsest-genir',
  version: 1,
  scheme: 'atomic',
  docids: ['d1', 'd2', 'd3'],
  firstDocidToken: 9,
  corpus: { fingerprint: 'abc', documents: 3, name: 'tiny' },
  training: { steps: 3 },
};
const parts = (change: Partial<ModelParts> = {}): ModelParts => ({
  config,
  weights: weightsOf(config),
  tokenizerJson,
  genir,
  ...change,
});
const written = (change: Partial<ModelParts> = {}): string => {
  const dir = newPlace();
  writeModelFolder(dir, parts(change));
  return dir;
};
const valueOf = (dir: string) => readModelFolder(dir).tensor('shared.weight').data[0];

describe('a model folder', () => {
  for (const [name, kind] of Object.entries({ config, untied, gated, 'gated, untied': { ...gated, ...untied } })) {
    it(`reads back what it writes (${name})`, () => {
      const weights = weightsOf(kind);
      const tokenizerConfig = { eos_token: '</s>', pad_token: { content: '<pad>' } };
      const folder = readModelFolder(written({ config: kind, weights, tokenizerConfig }));
      assert.deepEqual({ ...folder.config, extra: {} }, kind);
      assert.deepEqual([...folder.weights.keys()], [...weights.keys()]);
      for (const [weight, { shape, data }] of weights) assert.deepEqual(folder.tensor(weight), { shape, data });
      assert.deepEqual(folder.genir, genir);
      assert.deepEqual(folder.tokenizerJson, tokenizerJson);
      assert.deepEqual(folder.tokenizerConfig, tokenizerConfig);
    });
  }

  it('lets the weights decide whether embeddings are tied, as transformers 5 does', () => {
    const weights = weightsOf(untied);
    const dir = written({ config: untied, weights });
    edit(join(dir, 'config.json'), (json) => ({ ...json, tie_word_embeddings: true }));
    assert.equal(readModelFolder(dir).config.tie_word_embeddings, false);

    const shared = weights.get('shared.weight') as WeightTensor;
    writeSafetensors(join(dir, 'model.safetensors'), weights.set('lm_head.weight', shared));
    assert.equal(readModelFolder(dir).config.tie_word_embeddings, true);

    const tied = written();
    edit(join(tied, 'config.json'), (json) => ({ ...json, tie_word_embeddings: false, scale_decoder_outputs: false }));
    assert.equal(readModelFolder(tied).config.tie_word_embeddings, true);
    assert.equal(readModelFolder(tied).config.scale_decoder_outputs, false);
  });

  it('reads the older names of the input embedding', () => {
    const dir = written();
    const weights = weightsOf(config);
    const shared = weights.get('shared.weight') as WeightTensor;
    weights.delete('shared.weight');
    weights.set('encoder.embed_tokens.weight', shared).set('decoder.embed_tokens.weight', shared);
    writeSafetensors(join(dir, 'model.safetensors'), weights);
    assert.deepEqual(readModelFolder(dir).tensor('shared.weight').data, shared.data);

    const other = { shape: shared.shape, data: shared.data.map((value) => value + 1) };
    writeSafetensors(join(dir, 'model.safetensors'), weights.set('decoder.embed_tokens.weight', other));
    assert.throws(() => readModelFolder(dir), /decoder.embed_tokens.weight equal to shared.weight/);
  });

  it('takes the start token from generation_config.json where config.json has none', () => {
    const dir = written({ config: { ...config, decoder_start_token_id: 2 } });
    edit(join(dir, 'config.json'), (json) => ({ ...json, decoder_start_token_id: undefined }));
    assert.equal(readModelFolder(dir).config.decoder_start_token_id, 2);
  });

  it('lists every weight that is missing, unknown or misshapen in one error', () => {
    const dir = written();
    const weights = weightsOf(config);
    weights.delete('decoder.final_layer_norm.weight');
    weights.set('stray', { shape: [1], data: Float32Array.of(1) });
    const wo = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
    weights.set(wo, { shape: [6, 4], data: new Float32Array(24) });
    writeSafetensors(join(dir, 'model.safetensors'), weights);
    assert.throws(
      () => readModelFolder(dir),
      (error: unknown) => {
        assert.ok(error instanceof WeightShapeError);
        assert.deepEqual(error.missing, ['decoder.final_layer_norm.weight']);
        assert.deepEqual(error.extra, ['stray']);
        assert.deepEqual(error.misshapen, [{ name: wo, expected: [4, 6], actual: [6, 4] }]);
        assert.match(error.message, /got \[6, 4\] \(stored transposed\?\)/);
        return true;
      },
    );
  });

  it('refuses an unknown weight name and a folder that is none', () => {
    assert.throws(() => readModelFolder(written()).tensor('wo'), UnknownWeightError);
    assert.throws(() => readModelFolder(join(root, 'nowhere')), /folder with config.json, got no such folder/);
    assert.throws(() => readModelFolder(root), /folder with config.json, got none/);
  });
});

describe('a folder saved by transformers', () => {
  for (const name of [...parityModels, ...folderModels]) {
    it(`opens (${name})`, () => {
      const { folder, reference } = loadParity(name);
      const { config: read } = folder;
      assert.equal(read.tie_word_embeddings, !(name.endsWith('-untied') || name === 'sharded'));
      assert.equal(read.scale_decoder_outputs, read.tie_word_embeddings && name !== 'tied-unscaled');
      assert.equal(read.feed_forward_proj, name.startsWith('v1.1') || name === 'tied-unscaled' ? 'gated-gelu' : 'relu');
      assert.equal(read.decoder_start_token_id, 0);
      assert.deepEqual([read.relative_attention_num_buckets, read.relative_attention_max_distance], [8, 20]);
      assert.equal(reference.tensor('T2.logits').shape[2], read.vocab_size);
      for (const { name: weight, shape } of expectedWeights(read)) {
        const { data } = folder.tensor(weight);
        assert.equal(
          data.length,
          shape.reduce((a, b) => a * b, 1),
        );
        assert.ok(data.every(Number.isFinite) && new Set(data).size > 1, weight);
      }
    });
  }

  it('with one added token per document says which documents it answers with', () => {
    const { docids, firstDocidToken } = loadAddedDocids();
    const { folder } = loadParity('added-docids');
    assert.deepEqual(folder.genir?.docids, docids);
    assert.equal(folder.genir.firstDocidToken, firstDocidToken);
    assert.equal(folder.config.vocab_size, firstDocidToken + docids.length);
  });
});

describe('genir.json', () => {
  it('refuses schemes and versions it does not know, saying which it knows', () => {
    assert.throws(
      () => parseGenir({ ...genir, scheme: 'spiral' }),
      /a docid scheme of: atomic, naive, semantic, hashed, lexical, got "spiral"/,
    );
    assert.throws(() => parseGenir({ ...genir, version: 2 }), /version 1, got version 2/);
    assert.throws(() => parseGenir({ ...genir, format: 'x' }), /palimpsest-genir.*got "x"/);
    assert.throws(() => parseGenir([]), ModelFolderError);
  });

  describe('of docids that are paths', () => {
    const paths: Genir = {
      format: 'palimpsest-genir',
      version: 2,
      scheme: 'semantic',
      docids: ['d1', 'd2', 'd3'],
      paths: ['c1 x', 'c1 y a', 'a </s>'],
      codes: ['c1', 'x', 'y'],
      firstDocidToken: 9,
      corpus: { fingerprint: null, documents: 3 },
    };

    it('is read as it was written', () => {
      const dir = written({ genir: paths });
      const text = readFileSync(join(dir, 'genir.json'), 'utf8');
      assert.equal(text, `${JSON.stringify(paths, null, 2)}\n`);
      assert.deepEqual(readModelFolder(dir).genir, paths);
    });

    it('gives ids to names: of codes first, then of the vocabulary', () => {
      const { tokens, offsets } = pathIds(
        { ...paths, codes: ['c1', 'x', 'a'], paths: ['c1 x', 'c1 a', 'a </s>'] },
        tokenizerJson,
      );
      assert.deepEqual([...offsets], [0, 2, 4, 6]);
      assert.deepEqual([...tokens], [9, 10, 9, 11, 11, 1]);
      assert.deepEqual([...pathIds(paths, tokenizerJson).tokens], [9, 10, 9, 11, 3, 3, 1]);
    });

    const wrong: Record<string, [RegExp, Record<string, unknown>]> = {
      'a path that ends inside another': [
        /paths of which none ends inside another, got that of d1 at token 1 of that of d2; make the docids anew/,
        { paths: ['c1', 'c1 y', 'a'] },
      ],
      'a path twice': [/got "c1 y" of both d1 and d2/, { paths: ['c1 y', 'c1 y', 'a'] }],
      'an unknown token': [
        /in the tokenizer’s vocabulary, got "zebra" in the path of d3/,
        { paths: ['c1 x', 'c1 y', 'a zebra'] },
      ],
      'two blanks between tokens': [/got "" in the path of d3/, { paths: ['c1 x', 'c1 y', 'a  a'] }],
      'a path too few': [/a path for each docid, got 3 docids and 2 paths/, { paths: ['c1 x', 'c1 y'] }],
      'no path': [/a valid paths.1/, { paths: ['c1 x', '', 'a'] }],
      'a code for later documents that is none': [
        /a code for documents that come later, got "z", which is none/,
        { later: 'z' },
      ],
      'a path of that code alone': [
        /no path of the code of later documents alone, got that of d1/,
        { paths: ['x', 'c1 y', 'a'], later: 'x' },
      ],
      'a code twice': [/each code once, got "x" twice/, { codes: ['c1', 'x', 'x'] }],
      'a code with a blank': [/a valid codes.0, got expected a name without blanks/, { codes: ['c 1', 'x', 'y'] }],
      'a docid twice': [/each docid once, got "d1" twice/, { docids: ['d1', 'd1', 'd3'] }],
      'fewer codes than vocabulary entries': [
        /words and codes to be the whole vocabulary of 12, got 8 words and 3 codes/,
        { firstDocidToken: 8 },
      ],
      'more codes than vocabulary entries': [
        /words and codes to be the whole vocabulary of 12, got 9 words and 4 codes/,
        { codes: ['c1', 'x', 'y', 'z'] },
      ],
      'version 1': [/version 2, got version 1/, { version: 1 }],
    };
    for (const [what, [message, change]] of Object.entries(wrong))
      it(`refuses ${what}`, () => {
        const genir = { ...paths, ...change } as Genir;
        assert.throws(
          () => written({ genir }),
          (error: unknown) => error instanceof ModelFolderError && message.test(error.message),
        );
        const dir = written({ genir: paths });
        edit(join(dir, 'genir.json'), () => genir);
        assert.throws(() => readModelFolder(dir), message);
      });

    it('refuses a tokenizer with words in the places of codes', () => {
      const model = { type: 'WordLevel', vocab: { ...tokenizerJson.model.vocab, b: 10 } };
      assert.throws(
        () => written({ genir: paths, tokenizerJson: { ...tokenizerJson, model } }),
        /id 10 left to the docid row x/,
      );
    });

    it('is refused where docids must be single tokens', async () => {
      const folder = readModelFolder(written({ genir: paths }));
      assert.throws(() => atomicGenir(folder), NotAtomicError);
      assert.throws(() => atomicGenir(folder), /expected a model with atomic docids, got semantic ones/);
      assert.throws(() => new Lab(folder), NotAtomicError);
      await assert.rejects(DocidDecoder.open(folder), NotAtomicError);
    });
  });

  it('refuses a docid that stands twice and rows outside the vocabulary', () => {
    assert.throws(() => parseGenir({ ...genir, docids: ['a', 'a'] }), /each docid once, got "a" twice/);
    assert.throws(
      () => written({ genir: { ...genir, firstDocidToken: 10 } }),
      /docid rows below vocab_size 12, got 3 docids from row 10/,
    );
  });

  it('is derived from the added tokens of a published checkpoint', () => {
    const docidTokens = ['7', 'x y', '12'].map((docid, i) => ({ id: 9 + i, content: `@DOC_ID_${docid}@` }));
    const added = { ...tokenizerJson, added_tokens: [...tokenizerJson.added_tokens, ...docidTokens.reverse()] };
    const folder = readModelFolder(written({ tokenizerJson: added, genir: undefined }));
    assert.deepEqual(folder.genir?.docids, ['7', 'x y', '12']);
    assert.equal(folder.genir.firstDocidToken, 9);
    const gap = { ...tokenizerJson, added_tokens: docidTokens.filter(({ id }) => id !== 10) };
    assert.throws(() => readModelFolder(written({ tokenizerJson: gap, genir: undefined })), TokenizerMismatchError);
  });

  it('is absent from a plain T5 model', () => {
    assert.equal(readModelFolder(written({ genir: undefined })).genir, undefined);
  });
});

describe('a tokenizer that does not fit', () => {
  const refused: [string, unknown, RegExp][] = [
    [
      'with ids beyond the vocabulary',
      { ...tokenizerJson, added_tokens: [{ id: 12, content: 'z' }] },
      /ids below .* 12, got "z" at 12/,
    ],
    [
      'with a word where a docid row is',
      { ...tokenizerJson, added_tokens: [{ id: 10, content: 'z' }] },
      /id 10 left to the docid row @DOC_ID_d2@, got "z"/,
    ],
    [
      'with another end token',
      { ...tokenizerJson, added_tokens: [{ id: 5, content: '</s>' }] },
      /eos_token at 1.*got "<\/s>" at 5/,
    ],
    [
      'with too many pieces',
      { model: { vocab: Array.from({ length: 13 }, (_, i) => [`p${i}`, 0]) } },
      /ids below .*"p12" at 12/,
    ],
  ];
  for (const [what, json, message] of refused) {
    it(`${what} is refused`, () => {
      const place = newPlace();
      assert.throws(
        () =>
          writeModelFolder(place, parts({ tokenizerJson: json, genir: what.includes('docid') ? genir : undefined })),
        message,
      );
      assert.equal(existsSync(place), false);
    });
  }
});

describe('writing a model folder', () => {
  it('replaces the model and keeps the files of others', () => {
    const dir = written();
    mkdirSync(join(dir, 'checkpoint', 'a'), { recursive: true });
    writeFileSync(join(dir, 'checkpoint', 'a', 'step'), '3');
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    writeFileSync(join(dir, 'model.safetensors.index.json'), 'stale');
    writeModelFolder(dir, parts({ weights: weightsOf(config, 5), genir: undefined }));
    assert.equal(valueOf(dir), 5);
    const names = [
      'checkpoint',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'notes.txt',
      'tokenizer.json',
    ];
    assert.deepEqual(readdirSync(dir).sort(), names);
    assert.equal(readFileSync(join(dir, 'checkpoint', 'a', 'step'), 'utf8'), '3');
    assert.deepEqual(readdirSync(join(dir, '..')), ['model']);
  });

  it('writes through a symbolic link', () => {
    const dir = written();
    const link = `${dir}-link`;
    symlinkSync(dir, link);
    writeModelFolder(link, parts({ weights: weightsOf(config, 5) }));
    assert.equal(valueOf(dir), 5);
  });

  it('leaves the old model and no litter when the disk is full', () => {
    const dir = written();
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const weights = weightsOf(config, 5);
    weights.set('decoder.final_layer_norm.weight', {
      shape: [4],
      get data(): Float32Array {
        throw full;
      },
    });
    assert.throws(
      () => writeModelFolder(dir, parts({ weights })),
      (error: unknown) =>
        error instanceof ModelFolderWriteError && error.cause === full && /ENOSPC.*unchanged/.test(error.message),
    );
    assert.equal(valueOf(dir), 0);
    assert.deepEqual(readdirSync(join(dir, '..')), ['model']);
  });

  it('leaves the old model when killed half-way, and the next writer clears the rest away', () => {
    const dir = written();
    const script = `
      import { readModelFolder, writeModelFolder } from '${resolve('models/folder.ts')}';
      const old = readModelFolder('${dir}');
      const weights = new Map(old.weights);
      weights.set('decoder.final_layer_norm.weight', { shape: [4], get data() { process.kill(process.pid, 'SIGKILL'); } });
      writeModelFolder('${dir}', { config: old.config, weights });`;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    assert.equal(child.signal, 'SIGKILL', child.stderr.toString());
    assert.equal(valueOf(dir), 0);
    assert.equal(readdirSync(join(dir, '..')).length, 2);
    writeModelFolder(dir, parts({ weights: weightsOf(config, 5) }));
    assert.equal(valueOf(dir), 5);
    assert.deepEqual(readdirSync(join(dir, '..')), ['model']);
  });

  it('brings the old model back when the writer died between the two renames', () => {
    const dir = written();
    const replaced = join(dir, '..', '.model.palimpsest-replaced');
    renameSync(dir, replaced);
    assert.equal(valueOf(dir), 0);
    renameSync(dir, replaced);
    writeModelFolder(dir, parts({ weights: weightsOf(config, 5) }));
    assert.equal(valueOf(dir), 5);
    assert.deepEqual(readdirSync(join(dir, '..')), ['model']);
  });

  it("leaves folders with names like the model's alone", () => {
    const dir = written();
    const own = ['old', 'tmp-1', `tmp-${2 ** 30}-mine`, 'replaced'].map((suffix) => `${dir}.${suffix}`);
    const isThere = (folder: string): boolean => readFileSync(join(folder, 'notes.txt'), 'utf8') === 'mine';
    for (const folder of own) {
      mkdirSync(folder);
      writeFileSync(join(folder, 'notes.txt'), 'mine');
    }
    writeModelFolder(dir, parts({ weights: weightsOf(config, 5) }));
    assert.ok(own.every(isThere));
    rmSync(dir, { recursive: true });
    assert.throws(() => readModelFolder(dir), /got no such folder/);
    writeModelFolder(dir, parts({ weights: weightsOf(config, 6) }));
    assert.equal(valueOf(dir), 6);
    assert.ok(own.every(isThere));
    assert.equal(readdirSync(join(dir, '..')).length, own.length + 1);
  });

  it('copies a model from its own files into another dtype', () => {
    const dir = written();
    const old = readModelFolder(dir);
    writeModelFolder(dir, { ...old, dtype: 'BF16' });
    assert.equal(readSafetensors(join(dir, 'model.safetensors')).tensors.get('shared.weight')?.dtype, 'BF16');
    assert.deepEqual(readModelFolder(dir).genir, genir);
  });
});

function edit(file: string, change: (json: Record<string, unknown>) => unknown): void {
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>)));
}

import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  bfloat16ToFloat32,
  fitsFloat16,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  readSafetensors,
  readWeights,
  WeightFileError,
  writeSafetensors,
} from '../../models/weights.ts';

const dir = mkdtempSync(join(tmpdir(), 'palimpsest-weights-'));
after(() => rmSync(dir, { recursive: true }));
let files = 0;
const newFile = () => join(dir, `${files++}.safetensors`);
const allPatterns = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** A file with this header and so many bytes after it, however wrong. */
function handmade(header: unknown, dataBytes: number): string {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const file = newFile();
  writeFileSync(file, Buffer.concat([prefix, Buffer.from(text), Buffer.alloc(dataBytes)]));
  return file;
}
const entry = (shape: number[], begin: number, end: number, dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

/** The definition: (-1)^s 2^(e - bias) (1 + m / 2^bits), subnormals without the 1. */
function byDefinition(pattern: number, exponentBits: number, mantissaBits: number): number {
  const sign = pattern >> 15 ? -1 : 1;
  const exponent = (pattern >> mantissaBits) & ((1 << exponentBits) - 1);
  const mantissa = pattern & ((1 << mantissaBits) - 1);
  const bias = (1 << (exponentBits - 1)) - 1;
  if (exponent === (1 << exponentBits) - 1) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** (1 - bias - mantissaBits);
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
}

const formats = [
  { name: 'float16', exponentBits: 5, mantissaBits: 10, widen: float16ToFloat32, narrow: float32ToFloat16 },
  { name: 'bfloat16', exponentBits: 8, mantissaBits: 7, widen: bfloat16ToFloat32, narrow: float32ToBfloat16 },
];
for (const { name, exponentBits, mantissaBits, widen, narrow } of formats) {
  describe(name, () => {
    const values = new Float32Array(65536);
    widen(allPatterns, values);
    const defined = Array.from(allPatterns, (pattern) => byDefinition(pattern, exponentBits, mantissaBits));

    it('reads all 65,536 patterns as the definition says', () => {
      for (const pattern of allPatterns) assert.ok(Object.is(values[pattern], defined[pattern]), `pattern ${pattern}`);
    });

    it('writes every value it read as the same pattern, NaN as NaN', () => {
      const back = new Uint16Array(65536);
      narrow(values, back);
      const again = new Float32Array(65536);
      widen(back, again);
      for (const pattern of allPatterns) {
        if (Number.isNaN(defined[pattern])) assert.ok(Number.isNaN(again[pattern]), `pattern ${pattern}`);
        else assert.equal(back[pattern], pattern);
      }
    });

    it('rounds to the nearest, ties to the even pattern', () => {
      // Halfway between each pair of neighbours, and one float32 to either side.
      const infinity = ((1 << exponentBits) - 1) << mantissaBits;
      const input: number[] = [];
      const expected: number[] = [];
      const step = new Float32Array(1);
      const bits = new Uint32Array(step.buffer);
      for (let low = 0; low < infinity; low++) {
        // The neighbour above the largest value, for rounding, is where the next binade would start.
        const above = low + 1 === infinity ? 2 ** (1 << (exponentBits - 1)) : defined[low + 1];
        step[0] = (defined[low] + above) / 2;
        if (step[0] !== (defined[low] + above) / 2) continue; // bfloat16 subnormals: the middle is no float32
        input.push(step[0]);
        expected.push(low % 2 === 0 ? low : low + 1);
        const middle = bits[0];
        bits[0] = middle - 1;
        input.push(step[0]);
        expected.push(low);
        bits[0] = middle + 1;
        input.push(step[0]);
        expected.push(low + 1);
      }
      assert.ok(input.length > 3 * 30000);
      const source = Float32Array.from([...input, ...input.map((value) => -value)]);
      const out = new Uint16Array(source.length);
      narrow(source, out);
      const wanted = [...expected, ...expected.map((pattern) => pattern | 0x8000)];
      for (let i = 0; i < out.length; i++) assert.equal(out[i], wanted[i], `${source[i]}`);
    });
  });
}

describe('safetensors', () => {
  it('reads back what it writes, bit for bit in float32', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__' && name !== '__proto__'),
          fc.float32Array({ maxLength: 20 }),
        ),
        (arrays) => {
          const file = newFile();
          const tensors = new Map(
            Object.entries(arrays).map(([name, data]) => [name, { shape: [1, data.length], data }]),
          );
          writeSafetensors(file, tensors, { metadata: { format: 'pt', note: 'é' } });
          const opened = readSafetensors(file);
          assert.deepEqual(opened.metadata, { format: 'pt', note: 'é' });
          assert.equal(opened.tensors.size, tensors.size);
          for (const [name, { shape, data }] of tensors) {
            assert.deepEqual(opened.tensors.get(name)?.shape, shape);
            assert.deepEqual(opened.tensors.get(name)?.data, Float32Array.from(data));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  for (const dtype of ['F16', 'BF16'] as const) {
    it(`stores ${dtype} beyond one chunk`, () => {
      const count = (1 << 23) + 100_003;
      const data = Float32Array.from({ length: count }, (_, i) => (i % 257) - 128);
      const file = newFile();
      writeSafetensors(file, new Map([['a', { shape: [count], data }]]), { dtype });
      const stored = readSafetensors(file).tensors.get('a');
      assert.equal(stored?.dtype, dtype);
      assert.equal(stored.sizeBytes, 2 * count);
      assert.ok(Buffer.from(stored.data.buffer).equals(Buffer.from(data.buffer)));
    });
  }

  it('tolerates integers and float64', () => {
    const file = handmade(
      { a: entry([2], 0, 16, 'I64'), b: entry([2], 16, 24, 'I32'), c: entry([1], 24, 32, 'F64') },
      32,
    );
    const bytes = readFileSync(file);
    const at = bytes.length - 32;
    bytes.writeBigInt64LE(-5n, at);
    bytes.writeInt32LE(7, at + 20);
    bytes.writeDoubleLE(0.5, at + 24);
    writeFileSync(file, bytes);
    const { tensors } = readSafetensors(file);
    assert.deepEqual([...(tensors.get('a')?.data ?? [])], [-5, 0]);
    assert.deepEqual([...(tensors.get('b')?.data ?? [])], [0, 7]);
    assert.deepEqual([...(tensors.get('c')?.data ?? [])], [0.5]);
  });

  const broken: [string, () => string, RegExp][] = [
    ['an empty file', () => withBytes(Buffer.alloc(0)), /at least 8 bytes, got 0/],
    [
      'a header beyond the file',
      () => withBytes(Buffer.from([255, 0, 0, 0, 0, 0, 0, 0, 123])),
      /header of at most 1 bytes, got .* 255/,
    ],
    ['a header of absurd length', () => withBytes(Buffer.alloc(16, 255)), /header of at most/],
    ['a header that is no JSON', () => handmade('hello', 0), /JSON object/],
    ['a header that is a list', () => handmade([], 0), /JSON object/],
    [
      'a name that stands twice',
      () => handmade(`{"a":${JSON.stringify(entry([1], 0, 4))},"\\u0061":${JSON.stringify(entry([1], 4, 8))}}`, 8),
      /a: expected each name once/,
    ],
    ['overlapping tensors', () => handmade({ a: entry([2], 0, 8), b: entry([1], 4, 8) }, 8), /b: .*overlapping/],
    ['a gap', () => handmade({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12), /b: .*gap/],
    ['offsets beyond the file', () => handmade({ a: entry([4], 0, 16) }, 8), /a: expected bytes up to 8/],
    ['bytes no tensor owns', () => handmade({ a: entry([1], 0, 4) }, 8), /expected 4 bytes of tensors.*got 8/],
    [
      'a shape that is not its bytes',
      () => handmade({ a: entry([3], 0, 8) }, 8),
      /a: expected 12 bytes for F32 \[3\], got 8/,
    ],
    ['backward offsets', () => handmade({ a: entry([1], 4, 0) }, 4), /a: expected 4 bytes.*got -4/],
    ['a negative shape', () => handmade({ a: entry([-1], 0, 4) }, 4), /a: expected \{dtype/],
    ['an unknown dtype', () => handmade({ a: entry([1], 0, 4, 'Q4') }, 4), /a: expected a dtype of .*got Q4/],
    ['metadata that is not text', () => handmade({ __metadata__: { a: 1 } }, 0), /__metadata__/],
  ];
  for (const [what, make, message] of broken) {
    it(`refuses ${what}`, () => {
      const file = make();
      assert.throws(
        () => readSafetensors(file),
        (error: unknown) => error instanceof WeightFileError && error.file === file && message.test(error.message),
      );
    });
  }

  it('refuses every truncation of a good file', () => {
    const whole = newFile();
    const tensors = new Map(['a', 'b'].map((name) => [name, { shape: [3], data: Float32Array.of(1, 2, 3) }]));
    writeSafetensors(whole, tensors);
    const bytes = readFileSync(whole);
    const cut = newFile();
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(cut, bytes.subarray(0, length));
      assert.throws(() => readSafetensors(cut), WeightFileError, `${length} bytes`);
    }
  });

  it('names a dtype it cannot convert when the tensor is asked for, not before', () => {
    const { tensors } = readSafetensors(handmade({ a: entry([4], 0, 4, 'F8_E4M3') }, 4));
    assert.throws(() => tensors.get('a')?.data, /a: expected a dtype of F32.*got F8_E4M3/);
  });

  it('notices a file that changed after it was opened', () => {
    const file = newFile();
    const tensors = new Map([['a', { shape: [3], data: Float32Array.of(1, 2, 3) }]]);
    writeSafetensors(file, tensors);
    const opened = readSafetensors(file);
    truncateSync(file, 20);
    utimesSync(file, 1, 1);
    assert.throws(() => opened.tensors.get('a')?.data, /a changed file; open the model again/);
  });

  it('refuses a finite value that would be infinite in the file, and keeps infinity and NaN', () => {
    const least = { F16: 65_520, BF16: 3.3961775e38 };
    const largest = { F16: 65_519.996, BF16: 3.396177e38 };
    for (const dtype of ['F16', 'BF16'] as const) {
      const write = (...values: number[]): string => {
        const file = newFile();
        const data = Float32Array.from(values);
        writeSafetensors(file, new Map([['a.weight', { shape: [data.length], data }]]), { dtype });
        return file;
      };
      for (const sign of [1, -1])
        assert.throws(
          () => write(1, sign * least[dtype]),
          (error: unknown) =>
            error instanceof WeightFileError &&
            error.tensor === 'a.weight' &&
            error.actual === String(Math.fround(sign * least[dtype])) &&
            error.message.includes(`expected values that fit ${dtype}, got `),
        );
      const kept = readSafetensors(write(largest[dtype], Infinity, -Infinity, NaN)).tensors.get('a.weight')!.data;
      assert.ok(Number.isFinite(kept[0]));
      assert.deepEqual([...kept.slice(1)], [Infinity, -Infinity, NaN]);
    }
  });

  it('knows beforehand what fits float16', () => {
    for (const [value, fits] of [
      [65_519.996, true],
      [-65_520, false],
      [Infinity, true],
      [NaN, true],
    ] as const)
      assert.equal(fitsFloat16(Float32Array.of(0, value)), fits, String(value));
  });

  it('leaves the old file and no litter when writing fails', () => {
    const file = newFile();
    writeSafetensors(file, new Map([['a', { shape: [1], data: Float32Array.of(7) }]]));
    const wrong = new Map([['a', { shape: [2], data: Float32Array.of(1) }]]);
    assert.throws(() => writeSafetensors(file, wrong), /a: expected 2 values for \[2\], got 1/);
    assert.deepEqual([...(readSafetensors(file).tensors.get('a')?.data ?? [])], [7]);
    assert.deepEqual(
      readdirSync(dir).filter((name) => name.includes('.tmp-')),
      [],
    );
  });
});

describe('readWeights', () => {
  const shard = (name: string, folder: string, tensor: string) =>
    writeSafetensors(join(folder, name), new Map([[tensor, { shape: [1], data: Float32Array.of(1) }]]));
  const sharded = (map: Record<string, string>) => {
    const folder = mkdtempSync(join(dir, 'sharded-'));
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }));
    return folder;
  };

  it('reads shards as one', () => {
    const folder = sharded({ a: '1.safetensors', b: '2.safetensors' });
    shard('1.safetensors', folder, 'a');
    shard('2.safetensors', folder, 'b');
    assert.deepEqual([...readWeights(folder).tensors.keys()], ['a', 'b']);
  });

  it('refuses a missing shard, a tensor missing from its shard, a tensor in two shards, a path that leaves the folder', () => {
    const folder = sharded({ a: '1.safetensors', b: '2.safetensors' });
    shard('1.safetensors', folder, 'a');
    assert.throws(() => readWeights(folder), /2\.safetensors: expected a readable file, got ENOENT/);
    shard('2.safetensors', folder, 'c');
    assert.throws(() => readWeights(folder), /b: expected the tensor, as the index says, got no such tensor/);
    shard('2.safetensors', folder, 'a');
    assert.throws(() => readWeights(folder), /a: expected each name in one shard/);
    assert.throws(() => readWeights(sharded({ a: '../x.safetensors' })), /file names beside the index/);
  });

  it('says what to do where only a PyTorch pickle lies', () => {
    const folder = mkdtempSync(join(dir, 'pickle-'));
    assert.throws(() => readWeights(folder), /got neither; is this a model folder/);
    writeFileSync(join(folder, 'pytorch_model.bin'), '');
    assert.throws(() => readWeights(folder), /only pytorch_model.bin; convert it in Python/);
  });
});

function withBytes(bytes: Buffer): string {
  const file = newFile();
  writeFileSync(file, bytes);
  return file;
}

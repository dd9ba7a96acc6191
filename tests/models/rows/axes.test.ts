/** Axes along which graphs hold docid rows, and how widely graphs are searched. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { createRng } from '../../../corpus/random.ts';
import { along, keyWith, readAxes, writeAxes } from '../../../models/rows/axes.ts';
import { findAxes } from '../../../models/rows/find-axes.ts';
import { Best, bestOf, Products } from '../../../models/rows/products.ts';
import { chooseReaches, REACHES } from '../../../models/rows/reach.ts';
import { tensor } from '../../../models/session.ts';
import { tempFolder } from '../../support/corpus-temp.ts';
import { drawTable, INTRINSIC, type RowKind } from '../../support/drawn-rows.ts';

const D = 96;
const M = 800;
const sampleOf = (kind: RowKind) =>
  tensor(drawTable({ kind, width: D, rng: createRng(1), perTopic: 20 }, M).table, [M, D]);

describe('axes of docid rows', async () => {
  const products = await Products.open();
  after(() => products.close());

  it('are the eigenvectors of the largest eigenvalues, as many as rows need', async () => {
    const sample = sampleOf('clustered');
    const axes = await findAxes(sample, products);
    assert.ok(axes);
    assert.deepEqual(axes.shape, [INTRINSIC, D]);
    const rows = Matrix.from1DArray(M, D, sample.data);
    const moments = rows.transpose().mmul(rows);
    const all = new EigenvalueDecomposition(moments, { assumeSymmetric: true }).realEigenvalues.sort((a, b) => b - a);
    const found = Matrix.from1DArray(INTRINSIC, D, axes.data);
    const turned = found.mmul(moments).mmul(found.transpose());
    const gram = found.mmul(found.transpose());
    for (let i = 0; i < INTRINSIC; i++)
      for (let j = 0; j < INTRINSIC; j++) {
        assert.ok(Math.abs(gram.get(i, j) - Number(i === j)) < 1e-5);
        assert.ok(Math.abs(turned.get(i, j) - (i === j ? all[i] : 0)) < 1e-3 * all[0]);
      }
  });

  it('are none where rows lie in all directions, or are few or short', async () => {
    assert.equal(await findAxes(sampleOf('gaussian'), products), undefined);
    const { data } = sampleOf('clustered');
    assert.equal(await findAxes(tensor(data.slice(0, D * D), [D, D]), products), undefined);
    assert.equal(await findAxes(tensor(data.slice(0, 500 * 32), [500, 32]), products), undefined);
  });

  it('are kept for the rows they were found for', () => {
    const file = join(tempFolder(), 'axes.safetensors');
    assert.equal(readAxes(file, 'rows'), 'missing');
    const axes = tensor(Float32Array.of(1, 0, 0, 0, 0, 1), [2, 3]);
    writeAxes(file, 'rows', axes);
    assert.deepEqual(readAxes(file, 'rows'), axes);
    assert.equal(readAxes(file, 'others'), 'missing');
    assert.notEqual(keyWith('rows', axes), keyWith('rows', undefined));
    truncateSync(file, 40);
    assert.equal(readAxes(file, 'rows'), 'missing');
    writeAxes(file, 'rows', undefined);
    assert.equal(readAxes(file, 'rows'), undefined);
    assert.deepEqual(along(Float32Array.of(4, 5, 6), axes), Float32Array.of(4, 6));
    assert.deepEqual(along(Float32Array.of(4, 5, 6), undefined), Float32Array.of(4, 5, 6));
  });
});

describe('the best of many', () => {
  it('are those of a sort, the lower number first of equal ones', () => {
    const rng = createRng(2);
    for (let n = 0; n < 40; n++) {
      const values = Float32Array.from({ length: n }, () => rng.int(20));
      const sorted = [...values.keys()].sort((a, b) => values[b] - values[a] || a - b);
      const best = new Best(7);
      values.forEach((value, i) => best.add(i, value));
      assert.deepEqual(best.rows, sorted.slice(0, 7));
      const others = sorted.filter((i) => i !== 3);
      assert.deepEqual(bestOf(values, 7, 3), others.slice(0, 7));
    }
  });
});

describe('how widely graphs are searched', () => {
  const [least, next, third] = REACHES;
  /** Found by each reach: what is given, then no more. */
  const found = (...counts: number[]): number[] => REACHES.map((_, i) => counts[Math.min(i, counts.length - 1)]);

  it('is what the graphs need that most is missed in', () => {
    assert.deepEqual(chooseReaches([found(300), found(700)], 1000), [least, least]);
    assert.deepEqual(chooseReaches([found(300), found(600, 690, 700)], 1000), [least, third]);
    assert.deepEqual(chooseReaches([found(290, 300), found(600, 697, 700)], 1000), [next, next]);
  });

  it('passes steps that find nothing, and ends where no width finds more', () => {
    assert.deepEqual(chooseReaches([found(100, 100, 900, 1000)], 1000), [REACHES[3]]);
    assert.deepEqual(chooseReaches([found(100), found(200, 300)], 1000), [least, next]);
  });
});

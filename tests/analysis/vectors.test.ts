import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { layersText } from '../../analysis/report/layers.ts';
import { cosine, dot, Mean, meanOfDefined, medianOfDefined, norm } from '../../analysis/vectors.ts';

describe('sums over vectors', () => {
  it('are those of the plane', () => {
    assert.equal(dot([1, 2], [3, 4]), 11);
    assert.equal(norm([3, 4]), 5);
    assert.equal(cosine([3, 4], [-6, -8]), -1);
    assert.equal(cosine([1, 0], [0, 2]), 0);
  });

  it('have no direction where one is zero', () => {
    assert.ok(Number.isNaN(cosine([0, 0], [1, 1])));
  });

  it('leave out what does not exist', () => {
    assert.equal(meanOfDefined([1, NaN, 4]), 2.5);
    assert.equal(meanOfDefined([NaN]), null);
    assert.equal(new Mean().value, null);
    assert.equal(medianOfDefined([9, NaN, 1, 5]), 5);
    assert.equal(medianOfDefined([4, 3, 2, 1]), 2); // the lower of two in the middle
    assert.equal(medianOfDefined([]), null);
  });
});

it('layers in words join runs', () => {
  assert.equal(layersText([3]), 'layer 3');
  assert.equal(layersText([0, 1, 2, 5]), 'layers 0–2 and 5');
  assert.equal(layersText([1, 3, 7, 8]), 'layers 1, 3 and 7–8');
});

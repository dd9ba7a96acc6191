/** Constrained beam search against transformers' `generate` with `prefix_allowed_tokens_fn`, on the same weights. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { SequenceDecoder } from '../../../models/beam/sequence-decoder.ts';
import { readModelFolder } from '../../../models/folder.ts';
import { beamSearchDir, beamSearchModels, loadBeamSearches } from '../../support/fixtures.ts';

/** Two float32 implementations through four layers, up to five tokens. */
const TOLERANCE = 1e-4;

describe('beam search', () => {
  for (const name of beamSearchModels)
    it(`finds what transformers finds, with the same scores (${name})`, async () => {
      const folder = readModelFolder(beamSearchDir(name));
      const decoder = await SequenceDecoder.open(folder);
      const N = folder.genir!.docids.length;
      const searches = loadBeamSearches(name);
      const inputs = searches.map(({ query, beams, allowed }) => ({
        ...{ query, beams, k: beams },
        allowed: allowed ? Uint8Array.from({ length: N }, (_, n) => +allowed.includes(n)) : undefined,
      }));
      const results = await decoder.retrieve(inputs);
      await decoder.close();
      results.forEach(({ rows, scores }, i) => {
        assert.deepEqual([...rows], searches[i].documents, JSON.stringify(searches[i]));
        scores.forEach((score, j) => assert.ok(Math.abs(score - searches[i].scores[j]) < TOLERANCE));
      });
      const pruned = searches.filter(({ documents, allowed }) => documents.length < (allowed?.length ?? N));
      assert.ok(pruned.length > 0 && pruned.length < searches.length, 'some beams leave documents out, some do not');
    });
});

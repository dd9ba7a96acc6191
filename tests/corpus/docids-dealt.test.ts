import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dealt } from '../../corpus/docids/dealt.ts';
import { PathDocids } from '../../corpus/docids/paths.ts';
import { readDocids } from '../../corpus/docids/read.ts';
import { semanticMaker, semanticPaths } from '../../corpus/docids/semantic.ts';
import { docidSchemeSuite } from '../support/corpus-docid-suite.ts';

const maker = semanticMaker({ prefixes: [['<c1>']], room: 3, leaves: 'private' });
docidSchemeSuite(
  'hashed',
  (docids) => {
    const paths = semanticPaths(dealt(docids, 2, 1).map((group) => [group]));
    return PathDocids.of('hashed', docids.map((docid, n) => [docid, paths[n]]), maker); // prettier-ignore
  },
  (json) => readDocids(json, maker),
);

describe('documents that are dealt to groups', () => {
  const docids = Array.from({ length: 103 }, (_, n) => `document ${n}`);
  const sizes = (groupOf: readonly number[]): number[] => {
    const counts = new Array<number>(10).fill(0);
    for (const group of groupOf) counts[group]++;
    return counts;
  };

  it('make groups of equal size, but for one document', () => {
    assert.deepEqual(sizes(dealt(docids, 10, 1)), [11, 11, 11, 10, 10, 10, 10, 10, 10, 10]);
    assert.deepEqual(dealt(['only'], 5, 1), [0]);
  });

  it('are in the same groups in whatever order they come, and in others for another seed', () => {
    const groupOf = dealt(docids, 10, 1);
    assert.deepEqual(dealt(docids.toReversed(), 10, 1), groupOf.toReversed());
    const same = dealt(docids, 10, 2).filter((group, n) => group === groupOf[n]).length;
    assert.ok(same < 30, `${same} of 103 in the same group, 10 by chance`);
  });

  it('that stand beside one another are not together more often than by chance', () => {
    const groupOf = dealt(docids, 10, 1);
    const together = groupOf.filter((group, n) => group === groupOf[n + 1]).length;
    assert.ok(together < 25, `${together} of 102 neighbours together, 10 by chance`);
  });
});

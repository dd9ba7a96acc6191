import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterHierarchy } from '../../corpus/docids/cluster.ts';
import { PathDocids } from '../../corpus/docids/paths.ts';
import { readDocids } from '../../corpus/docids/read.ts';
import {
  placeUnder,
  semanticMaker,
  semanticPaths,
  type Placement,
  type SemanticNames,
} from '../../corpus/docids/semantic.ts';
import { createRng } from '../../corpus/random.ts';
import { docidSchemeSuite } from '../support/corpus-docid-suite.ts';

for (const leaves of ['private', 'shared'] as const) {
  const names: SemanticNames = { clusters: leaves === 'private' ? 'own' : 'shared', leaves };
  const prefix = leaves === 'private' ? ['<c1>'] : ['<l1.1>'];
  const maker = semanticMaker({ prefixes: [prefix], room: 3, leaves });
  docidSchemeSuite(
    `semantic (${leaves} leaves)`,
    (docids) => {
      const paths = semanticPaths(docids.map((_, n) => [n % 2, n % 3]), names); // prettier-ignore
      return PathDocids.of('semantic', docids.map((docid, n) => [docid, paths[n]]), maker); // prettier-ignore
    },
    (json) => readDocids(json, maker),
  );
}

describe('semantic docids', () => {
  const clusters = [[3], [0, 17], [3], [0, 17], [0, 2]];
  const tableOf = (names?: SemanticNames): PathDocids =>
    PathDocids.of('semantic', semanticPaths(clusters, names).map((path, n) => [`d${n}`, path])); // prettier-ignore
  const named = (table: PathDocids): string[] => table.docids().map((docid) => table.tokens(docid).join(' '));

  it('name clusters by their place and give each document a leaf of its own', () => {
    assert.deepEqual(named(tableOf()), [
      '<c3> <d0>',
      '<c0> <c0.17> <d1>',
      '<c3> <d2>',
      '<c0> <c0.17> <d3>',
      '<c0> <c0.2> <d4>',
    ]);
  });

  it('share entries on each level where they are asked to, and count the documents of a cluster', () => {
    assert.deepEqual(named(tableOf({ clusters: 'shared', leaves: 'shared' })), [
      '<l1.3> <l2.0>',
      '<l1.0> <l2.17> <l3.0>',
      '<l1.3> <l2.1>',
      '<l1.0> <l2.17> <l3.1>',
      '<l1.0> <l2.2> <l3.0>',
    ]);
  });

  it('put a new document under the best prefix with room, in the last resort under the best', () => {
    const table = tableOf();
    const place = (prefixes: string[][], room: number): string =>
      placeUnder(table, 'new', { prefixes, room, leaves: 'private' }).join(' ');
    const [full, other] = [['<c0>', '<c0.17>'], ['<c0>', '<c0.2>']]; // prettier-ignore
    assert.equal(place([full, other], 3), '<c0> <c0.17> <d5>');
    assert.equal(place([full, other], 2), '<c0> <c0.2> <d5>');
    assert.equal(place([full, other], 1), '<c0> <c0.17> <d5>');
    assert.equal(place([['<c9>'], ['<c3>', '<d0>'], other], 9), '<c0> <c0.2> <d5>', 'unknown, and a docid');
    assert.equal(place([], 9), '<d5>');
    table.remove('d3');
    assert.equal(place([full, other], 2), '<c0> <c0.17> <d5>', 'the removed leave room');
  });

  it('take the first code that is free and never was another document’s', () => {
    const table = tableOf({ clusters: 'shared', leaves: 'shared' });
    const placement: Placement = { prefixes: [['<l1.3>'], ['<l1.0>', '<l2.2>']], room: 3, leaves: 'shared' };
    table.remove('d0');
    assert.equal(placeUnder(table, 'e', placement).join(' '), '<l1.3> <l2.2>');
    table.add('e', ['<l1.3>', '<l2.2>']);
    assert.equal(placeUnder(table, 'f', placement).join(' '), '<l1.0> <l2.2> <l3.1>');
    assert.equal(placeUnder(table, 'f', { ...placement, room: 1 }).join(' '), '<l1.3> <l2.3>');
  });
});

/** Vectors around `centers` random directions; of center n, `sizes[n]` of them. float32 [Σ sizes, D] */
function planted(sizes: readonly number[], D: number, noise: number, seed: number): Float32Array {
  const rng = createRng(seed);
  const around = (): number => rng.next() + rng.next() + rng.next() - 1.5;
  return Float32Array.from(
    sizes.flatMap((size) => {
      const center = Array.from({ length: D }, around);
      return Array.from({ length: size }, () => {
        const scale = 0.1 + 3 * rng.next(); // only directions count
        return center.map((x) => scale * (x + noise * around()));
      }).flat();
    }),
  );
}

const sizesOf = (paths: readonly (readonly number[])[], level: number): number[] => {
  const sizes = new Map<string, number>();
  for (const path of paths)
    if (path.length > level)
      sizes.set(path.slice(0, level + 1).join(), (sizes.get(path.slice(0, level + 1).join()) ?? 0) + 1);
  return [...sizes.values()];
};

describe('hierarchical clusters', () => {
  it('find planted clusters, whatever the lengths of the vectors', () => {
    const sizes = [40, 25, 40, 33];
    const clusters = clusterHierarchy(planted(sizes, 30, 0.2, 1), 30, { branching: 4, leafSize: 40, seed: 3 });
    const ends = sizes.map((_, n) => sizes.slice(0, n + 1).reduce((a, b) => a + b));
    const found = ends.map((end, n) => new Set(clusters.slice(end - sizes[n], end).map((path) => path.join())));
    assert.deepEqual(found.map((set) => set.size), [1, 1, 1, 1]); // prettier-ignore
    assert.equal(new Set(found.flatMap((set) => [...set])).size, 4);
  });

  it('are the same for the same seed', () => {
    const vectors = planted([100], 16, 1, 5);
    const cluster = (seed: number) => clusterHierarchy(vectors, 16, { branching: 3, leafSize: 5, seed });
    assert.deepEqual(cluster(1), cluster(1));
    assert.notDeepEqual(cluster(1), cluster(2));
  });

  it('split what is larger than a leaf, into no more than `branching`, none beyond thrice the mean', () => {
    // One direction holds most vectors: plain k-means would put nearly all into one cluster.
    const vectors = planted([600, 4, 4, 4, 4, 4], 12, 0.05, 7);
    const clusters = clusterHierarchy(vectors, 12, { branching: 6, leafSize: 10, seed: 1 });
    const top = sizesOf(clusters, 0);
    assert.ok(top.length <= 6);
    assert.ok(Math.max(...top) <= Math.ceil((3 * 620) / 6), `${top.join()}`);
    for (const path of clusters) assert.ok(path.every((place) => place < 6));
    const leaves = new Map<string, number>();
    for (const path of clusters) leaves.set(path.join(), (leaves.get(path.join()) ?? 0) + 1);
    assert.ok([...leaves.values()].every((size) => size <= 10));
  });

  it('stop at the depth asked for', () => {
    const clusters = clusterHierarchy(planted([200], 8, 1, 2), 8, { branching: 2, leafSize: 3, depth: 2, seed: 1 });
    assert.ok(clusters.every((path) => path.length === 2));
  });

  it('leave together what does not differ, and what fits a leaf', () => {
    const options = { branching: 4, leafSize: 2, seed: 1 };
    assert.deepEqual(clusterHierarchy(new Float32Array(5).fill(2), 1, options), [[], [], [], [], []]);
    assert.deepEqual(clusterHierarchy(new Float32Array(6), 2, options), [[], [], []]);
    assert.deepEqual(clusterHierarchy(Float32Array.of(1, 0, 0, 1), 2, options), [[], []]);
    assert.deepEqual(clusterHierarchy(new Float32Array(0), 2, options), []);
    const alike = Float32Array.from({ length: 300 }, (_, i) => (i < 200 ? [0.3, 0.7] : [0.5, -0.1])[i % 2]);
    const sizes = sizesOf(clusterHierarchy(alike, 2, options), 0);
    assert.deepEqual(sizes, [100, 50]);
    const twins = clusterHierarchy(Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1), 2, options);
    assert.deepEqual([twins[0], twins[1]], [twins[2], twins[3]]);
    assert.notDeepEqual(twins[0], twins[1]);
  });

  it('refuse vectors and options that are none', () => {
    const options = { branching: 4, leafSize: 2, seed: 1 };
    const vectors = new Float32Array(6).fill(1);
    assert.throws(() => clusterHierarchy(vectors, 4, options), RangeError);
    assert.throws(() => clusterHierarchy(Float32Array.of(1, NaN), 2, options), RangeError);
    assert.throws(() => clusterHierarchy(vectors, 2, { ...options, branching: 1 }), RangeError);
    assert.throws(() => clusterHierarchy(vectors, 2, { ...options, leafSize: 0 }), RangeError);
  });
});

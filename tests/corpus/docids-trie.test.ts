import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LeafSet } from '../../corpus/docids/leaf-set.ts';
import { createRng } from '../../corpus/random.ts';
import { ChildList, DocidTrie, type PathIds, type TrieView } from '../../corpus/docids/trie.ts';

type Path = readonly number[];

function idsOf(paths: readonly Path[]): PathIds {
  const offsets = new Int32Array(paths.length + 1);
  paths.forEach((path, n) => (offsets[n + 1] = offsets[n] + path.length));
  return { tokens: Int32Array.from(paths.flat()), offsets };
}

const conflicts = (a: Path, b: Path): boolean =>
  a.every((token, t) => token === b[t]) || b.every((token, t) => token === a[t]);

/** The first of the paths that can stand together. */
function prefixFree(paths: readonly Path[]): Path[] {
  const kept: Path[] = [];
  for (const path of paths) if (!kept.some((other) => conflicts(path, other))) kept.push(path);
  return kept;
}

// Few different tokens and lengths meet often; 65,536 and above need a second digit of the sort.
const token = fc.oneof(fc.nat(3), fc.constantFrom(7, 300, 65_535, 65_536, 70_000, 2_000_000_000));
const path = fc.array(token, { minLength: 1, maxLength: 5 });
const pathsOf = (maxLength: number) => fc.array(path, { maxLength }).map(prefixFree);

const isSame = (a: Path, b: Path): boolean => a.join() === b.join();

const ascending = (a: number, b: number): number => a - b;

/** Walks all that a view offers, and says which documents it found where, in the order it found them. */
function walk(trie: DocidTrie, view: TrieView): [number, Path][] {
  const found: [number, Path][] = [];
  const visit = (node: number, prefix: Path): void => {
    const list = new ChildList();
    list.push(-5, -6); // appended to, not replaced
    const count = view.children(node, list);
    assert.equal(list.length, count + 1);
    assert.deepEqual([list.tokens[0], list.nodes[0]], [-5, -6]);
    const tokens = [...list.tokens.subarray(1, list.length)];
    assert.deepEqual(tokens, [...new Set(tokens)].sort(ascending));
    const document = trie.documentOf(node);
    if (document >= 0) {
      assert.equal(count, 0);
      found.push([document, prefix]);
    } else assert.ok(count > 0 || node === trie.root, 'only documents end paths');
    tokens.forEach((t, i) => visit(list.nodes[i + 1], [...prefix, t]));
  };
  visit(trie.root, []);
  return found;
}

function comparePaths(a: Path, b: Path): number {
  const t = a.findIndex((token, i) => token !== b[i]);
  return t < 0 ? 0 : a[t] - b[t];
}

/** What the brute force says a walk must find. */
const expected = (live: ReadonlyMap<number, Path>, allowed?: Uint8Array): [number, Path][] =>
  [...live].filter(([document]) => !allowed || allowed[document] === 1).sort(([, a], [, b]) => comparePaths(a, b));

describe('a trie of docid paths', () => {
  it('leads to each document by its path and to nothing else', () => {
    fc.assert(
      fc.property(pathsOf(40), (paths) => {
        const trie = DocidTrie.build(idsOf(paths));
        const view = trie.restrict();
        assert.deepEqual(walk(trie, view), expected(new Map(paths.entries())));
        assert.equal(view.size, paths.length);
        assert.equal(trie.documents, paths.length);
        assert.equal(trie.depth, Math.max(0, ...paths.map(({ length }) => length)));
        paths.forEach((tokens, document) => assert.deepEqual([...trie.pathOf(document)], tokens));
      }),
    );
  });

  it('offers what lives and passes the filter, whatever was added, removed, revived and moved', () => {
    const edit = fc.record({ kind: fc.constantFrom('add', 'remove', 'revive', 'move', 'back'), drawn: fc.nat(), path });
    const filter = fc.infiniteStream(fc.boolean());
    fc.assert(
      fc.property(pathsOf(20), fc.array(edit, { maxLength: 40 }), filter, (paths, edits, bits) => {
        const trie = DocidTrie.build(idsOf(paths));
        const unfiltered = trie.restrict();
        const live = new Map<number, Path>(paths.entries());
        /** All paths a document ever had, the last of them its own. */
        const owned = paths.map((tokens) => [tokens]);
        for (const { kind, drawn, path } of edits) {
          const document = kind === 'add' ? owned.length : drawn % owned.length;
          if (Number.isNaN(document)) continue; // nothing there to edit
          if (kind !== 'add') trie.remove(document);
          live.delete(document);
          if (kind === 'remove') continue;
          const own = owned[document] ?? [];
          if (kind === 'revive') {
            trie.revive(document);
            live.set(document, own.at(-1)!);
            continue;
          }
          const wanted = kind === 'back' ? own[0] : path;
          if (
            owned.flat().some((other) => conflicts(other, wanted) && !(own.includes(other) && isSame(other, wanted)))
          ) {
            assert.throws(() => trie.add(document, wanted), { name: 'PathConflictError' });
            continue;
          }
          trie.add(document, wanted);
          live.set(document, wanted);
          owned[document] = [...own, wanted];
        }
        assert.deepEqual(walk(trie, unfiltered), expected(live));
        assert.equal(unfiltered.size, live.size);
        owned.forEach((own, document) => assert.deepEqual([...trie.pathOf(document)], own.at(-1)));
        for (const [document, own] of owned.entries())
          for (const path of own) assert.equal(trie.documentOf(trie.nodeOf(path)), document);
        for (const { path } of edits)
          assert.equal(trie.isFree(path), !owned.flat().some((other) => conflicts(other, path)));

        const allowed = Uint8Array.from({ length: trie.documents }, () => Number(bits.next().value));
        const view = trie.restrict(allowed);
        assert.deepEqual(walk(trie, view), expected(live, allowed));
        assert.equal(view.size, expected(live, allowed).length);

        const built = trie.asBuilt();
        assert.deepEqual(walk(built, built.restrict()), expected(new Map(paths.entries())));
        assert.equal(built.documents, paths.length);
      }),
      { numRuns: 400 },
    );
  });

  it('leaves a filtered view as it was when the trie is edited, as long as nothing is removed that it shows', () => {
    const trie = DocidTrie.build(
      idsOf([
        [1, 1],
        [1, 2],
        [2, 1],
      ]),
    );
    trie.add(3, [1, 3]);
    const view = trie.restrict(Uint8Array.of(1, 0, 0, 1, 1));
    trie.add(4, [1, 4]);
    trie.add(5, [3]);
    assert.deepEqual(walk(trie, view), [
      [0, [1, 1]],
      [3, [1, 3]],
    ]);
  });

  it('offers what lives where a node has thousands of children, whenever it is asked', () => {
    const N = 5000;
    const paths = Array.from({ length: N }, (_, n): Path => [n < 3000 ? 0 : n, n, 7]);
    const trie = DocidTrie.build(idsOf(paths));
    const live = new Map<number, Path>(paths.entries());
    const rng = createRng(5);
    const view = trie.restrict();
    for (let i = 0; i < 30; i++) {
      const document = rng.int(N);
      if (i % 3 === 0) {
        const added = [i % 2 ? 0 : rng.int(3000), 2 * N + i, 7];
        trie.add(N + i, added);
        live.set(N + i, added);
      } else if (live.delete(document)) trie.remove(document);
      else {
        trie.revive(document);
        live.set(document, paths[document]);
      }
      for (const [prefix, node] of [[[], trie.root] as const, [[0], trie.nodeOf([0])] as const])
        for (const time of ['first', 'again']) {
          const list = new ChildList();
          list.push(-5, -6);
          const under = [...live.values()].filter((one) => prefix.every((token, t) => one[t] === token));
          const tokens = [...new Set(under.map((one) => one[prefix.length]))].sort(ascending);
          assert.equal(view.children(node, list), tokens.length);
          assert.deepEqual([...list.tokens.subarray(0, list.length)], [-5, ...tokens], `edit ${i}, ${time}`);
          tokens.forEach((token, c) => assert.equal(list.nodes[c + 1], trie.nodeOf([...prefix, token])));
        }
    }
  });

  it('lets nothing through where a filter leaves nothing, or no document is there', () => {
    const empty = DocidTrie.build(idsOf([]));
    const trie = DocidTrie.build(idsOf([[1, 2], [3]]));
    for (const [of, view] of [
      [empty, empty.restrict()],
      [trie, trie.restrict(new Uint8Array(2))],
      [trie, trie.restrict(new Uint8Array(0))],
    ] as const) {
      assert.equal(view.size, 0);
      assert.equal(view.children(of.root, new ChildList()), 0);
    }
    empty.add(0, [5, 6]);
    assert.deepEqual(walk(empty, empty.restrict()), [[0, [5, 6]]]);
    trie.remove(0);
    trie.remove(1);
    assert.equal(trie.restrict().children(trie.root, new ChildList()), 0);
  });

  it('names both documents and the place where a path ends inside another', () => {
    const build = (paths: Path[]) => () => DocidTrie.build(idsOf(paths));
    assert.throws(build([[4], [1, 2, 3], [1, 2]]), { name: 'PathConflictError', shorter: 2, longer: 1, position: 2 });
    assert.throws(
      build([
        [1, 2],
        [1, 2],
      ]),
      { name: 'PathConflictError', position: 2 },
    );
    const trie = DocidTrie.build(idsOf([[1, 2, 3], [4], [1, 2, 5]]));
    trie.add(3, [4, 1].reverse());
    assert.throws(() => trie.add(4, [4, 9]), { name: 'PathConflictError', shorter: 1, longer: 4, position: 1 });
    assert.throws(() => trie.add(4, [1, 2]), { name: 'PathConflictError', shorter: 4, longer: 0, position: 2 });
    assert.throws(() => trie.add(4, [1, 4]), { name: 'PathConflictError', shorter: 4, longer: 3, position: 2 });
    assert.throws(() => trie.add(4, [1, 4, 4]), { name: 'PathConflictError', shorter: 3, longer: 4, position: 2 });
    trie.remove(1);
    assert.throws(() => trie.add(4, [4]), { name: 'PathConflictError' }, 'a removed path stays taken');
    assert.equal(trie.documents, 4);
  });

  it('refuses paths and documents that are none', () => {
    const trie = DocidTrie.build(idsOf([[1]]));
    assert.throws(() => DocidTrie.build(idsOf([[1], []])), RangeError);
    assert.throws(() => DocidTrie.build(idsOf([[1, -2]])), RangeError);
    for (const [document, tokens] of [
      [1, []],
      [1, [-1]],
      [1, [1.5]],
      [0, [2]],
      [-1, [2]],
    ] as const)
      assert.throws(() => trie.add(document, tokens), RangeError);
    for (const call of [() => trie.remove(1), () => trie.revive(7), () => trie.pathOf(1)])
      assert.throws(call, RangeError);
  });
});

describe('a set of leaves', () => {
  it('finds the next member as a plain list does, over many levels', () => {
    const members = fc.uniqueArray(fc.nat(69_999), { maxLength: 60 });
    fc.assert(
      fc.property(members, members, (added, deleted) => {
        const set = new LeafSet(70_000);
        const full = LeafSet.full(70_000);
        for (const leaf of added) set.add(leaf);
        for (const leaf of deleted) for (const one of [set, full]) one.delete(leaf);
        const gone = new Set(deleted);
        const left = added.filter((leaf) => !gone.has(leaf)).sort(ascending);
        assert.equal(set.size, left.length);
        assert.equal(full.size, 70_000 - gone.size);
        const found: number[] = [];
        for (let leaf = set.next(0); leaf < 70_000; leaf = set.next(leaf + 1)) found.push(leaf);
        assert.deepEqual(found, left);
        for (const leaf of deleted) {
          let next = leaf;
          while (gone.has(next)) next++;
          assert.equal(full.next(leaf), Math.min(next, 70_000));
          assert.equal(full.has(leaf), false);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('is full up to its last leaf, whatever the length', () => {
    for (const length of [0, 1, 31, 32, 33, 1024, 1025, 32_768, 32_769]) {
      const set = LeafSet.full(length);
      assert.deepEqual([set.size, set.next(length)], [length, length]);
      if (length > 0) assert.equal(set.next(length - 1), length - 1);
      for (let leaf = 0; leaf + 1 < length; leaf++) set.delete(leaf);
      assert.equal(set.next(0), Math.max(0, length - 1));
    }
  });
});

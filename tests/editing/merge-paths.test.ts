/** Merged models whose docids are paths against the base with the version beside it, both decoded by a SequenceDecoder. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createRng } from '../../corpus/random.ts';
import { editedVersion, versionBase } from '../../editing/edited-version.ts';
import { mergeVersion, type NamedVersion } from '../../editing/merge.ts';
import { SequenceDecoder } from '../../models/beam/sequence-decoder.ts';
import { readModelFolder, writeModelFolder, type ModelFolder } from '../../models/folder.ts';
import type { PathGenir } from '../../models/genir.ts';
import { decoderGraph, encoderGraph } from '../../models/graphs.ts';
import { int64, Session, tensor } from '../../models/session.ts';
import { loadTokenizer } from '../../models/tokenizer.ts';
import { assertClose } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { writePathTwin } from '../support/path-twin.ts';
import { randomQuery, texts, writeTinyModel } from '../support/tiny-model.ts';

const dir = tempFolder();
const N = texts.length;
const decoders: SequenceDecoder[] = [];
after(() => Promise.all(decoders.map((decoder) => decoder.close())));

const rng = createRng(5);
const queries = Array.from({ length: 30 }, () => randomQuery(rng));
const random = (length: number, seed: number, scale: number): Float32Array => {
  const numbers = createRng(seed);
  return Float32Array.from({ length }, () => scale * (numbers.next() - 0.5));
};

let made = 0;
function twin(later: boolean): ModelFolder {
  const atomic = readModelFolder(writeTinyModel(join(dir, `atomic-${++made}`)));
  return readModelFolder(writePathTwin(join(dir, `twin-${made}`), atomic, { leafSize: 3, later }));
}

async function answers(folder: ModelFolder, version?: NamedVersion): Promise<Map<string, number>[]> {
  const decoder = await SequenceDecoder.open(folder);
  decoders.push(decoder);
  if (version) await decoder.publish(version.model);
  const found = await decoder.retrieve(queries.map((query) => ({ query, k: 20, beams: 20 })));
  const docids = version?.docids ?? folder.genir!.docids;
  return found.map(({ rows, scores }) => new Map(Array.from(rows, (row, i) => [docids[row]!, scores[i]])));
}

/** Two documents added, one renamed, an MLP edited; some deleted. */
function versionOf(folder: ModelFolder, gone: readonly number[] = []): NamedVersion {
  const { later } = folder.genir as PathGenir;
  const { d_model: D } = folder.config;
  const docids: (string | null)[] = [...folder.genir!.docids, 'new a', 'new b'];
  docids[7] = 'renamed';
  const live = new Uint8Array(docids.length).fill(1);
  for (const row of gone) [live[row], docids[row]] = [0, null];
  const wo = 'decoder.block.1.layer.2.DenseReluDense.wo.weight';
  const F = folder.config.d_ff;
  const model = editedVersion(versionBase(folder), {
    ...{ editSeq: 9, live, gone },
    added: [N, N + 1].map((document) => ({
      document,
      prefix: later === undefined ? Int32Array.of(folder.genir!.firstDocidToken) : new Int32Array(0),
      row: random(later === undefined ? D : 2 * D, 10 + document, 4),
    })),
    deltas: [{ weight: wo, delta: random(F * D, 30, 0.2) }],
  });
  return { docids, model };
}

function write(folder: ModelFolder, version: NamedVersion): ModelFolder {
  const out = join(dir, `merged-${++made}`);
  writeModelFolder(out, mergeVersion(folder, version, 'of these documents'));
  return readModelFolder(out);
}

const assertAlike = (actual: Map<string, number>[], expected: Map<string, number>[], within: number): void => {
  assert.equal(actual.length, expected.length);
  expected.forEach((scores, q) => {
    assert.deepEqual([...actual[q].keys()].sort(), [...scores.keys()].sort());
    const docids = [...scores.keys()];
    assertClose(docids.map((docid) => actual[q].get(docid)!), docids.map((docid) => scores.get(docid)!), `query ${q}`, within); // prettier-ignore
  });
};

describe('mergeVersion of docids that are paths', () => {
  for (const later of [false, true]) {
    const kind = later ? 'with a code for later documents' : 'without a code for later documents';

    it(`answers as the edited model, ${kind}`, async () => {
      const folder = twin(later);
      const version = versionOf(folder);
      const merged = write(folder, version);
      assert.deepEqual(
        merged.genir!.docids,
        version.docids.filter((docid) => docid !== null),
      );
      const expected = await answers(folder, version);
      assert.ok(expected.some((scores) => scores.has('new a')));
      assertAlike(await answers(merged), expected, 1e-4);
    });

    it(`has no entry for what is gone, and clusters that nobody is in, ${kind}`, async () => {
      const folder = twin(later);
      const { codes, paths } = folder.genir as PathGenir;
      const version = versionOf(folder, [2, 4]);
      const merged = write(folder, version);
      const genir = merged.genir as PathGenir;
      const leafOf = (row: number): string => paths[row].split(' ').at(-1)!;
      for (const row of [2, 4]) assert.ok(codes.includes(leafOf(row)) && !genir.codes.includes(leafOf(row)));
      assert.equal(genir.codes.length, codes.length - 2 + (later ? 4 : 2));
      // Rows of nothing have e⁰ of a sum; without them every score is a little higher.
      assertAlike(await answers(merged), await answers(folder, version), 0.2);
    });

    it(`is merged again, ${kind}`, async () => {
      const once = write(twin(later), versionOf(twin(later)));
      const docids: (string | null)[] = [...once.genir!.docids];
      const size = docids.length;
      docids.push('third');
      const { d_model: D } = once.config;
      const first = Int32Array.of(once.genir!.firstDocidToken);
      const model = editedVersion(versionBase(once), {
        ...{ editSeq: 10, live: new Uint8Array(size + 1).fill(1), gone: [], deltas: [] },
        added: [
          {
            document: size,
            prefix: later ? new Int32Array(0) : first,
            row: random(later ? 2 * D : D, 77, 4),
          },
        ],
      });
      const version = { docids, model };
      const twice = write(once, version);
      assertAlike(await answers(twice), await answers(once, version), 1e-4);
    });
  }

  it('says the same to programs that read an entry with its own embedding', async () => {
    const folder = twin(true);
    const merged = write(folder, versionOf(folder));
    assert.equal(merged.config.tie_word_embeddings, false);
    const [query] = queries;
    const [scores] = await answers(merged);
    const weights = (name: string) => merged.tensor(name);
    const [encoder, decoder] = [
      await Session.open(encoderGraph(merged.config, weights)),
      await Session.open(decoderGraph(merged.config, weights)),
    ];
    const ids = loadTokenizer(merged).encode(query);
    const mask = tensor(new Float32Array(ids.length).fill(1), [1, ids.length]);
    const { encoder_out } = await encoder.run({ input_ids: int64(ids, [1, ids.length]), attention_mask: mask });
    const { codes, paths, firstDocidToken, docids } = merged.genir as PathGenir;
    for (const docid of ['new a', 'new b']) {
      const path = paths[docids.indexOf(docid)].split(' ').map((code) => firstDocidToken + codes.indexOf(code));
      const { logits } = await decoder.run({
        encoder_out,
        attention_mask: mask,
        decoder_input_ids: int64([merged.config.decoder_start_token_id, path[0]], [1, 2]),
      });
      const V = merged.config.vocab_size;
      const score = path.reduce((sum, token, t) => {
        const own = (logits.data as Float32Array).subarray(t * V, (t + 1) * V);
        return sum + own[token] - Math.log(own.reduce((all, x) => all + Math.exp(x), 0));
      }, 0);
      assertClose([scores.get(docid)!], [score], docid, 1e-4);
    }
    await Promise.all([encoder.release(), decoder.release()]);
  });
});

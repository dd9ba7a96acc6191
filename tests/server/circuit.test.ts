/** `serve --circuit`: a server that answers with the circuit stored with its model. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { storeCircuit } from '../../analysis/circuit.ts';
import { storedStages, storeStages, type Stages } from '../../analysis/stages.ts';
import { checkCircuit } from '../../editing/circuit-edits.ts';
import type { EditOutcome } from '../../editing/operations.ts';
import { readPublished } from '../../editing/published-version.ts';
import { CircuitError, encodeMeans, type StoredCircuit } from '../../models/circuit-record.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { banner } from '../../server/banner.ts';
import { readModelInfo } from '../../server/model-info.ts';
import { builtinModel } from '../../server/paths.ts';
import type { InfoResponse, Problem, RetrieveResponse } from '../../server/schemas.ts';
import { startServer } from '../../server/serve.ts';
import { editableWorld } from '../support/edit-server.ts';
import { writePathModel } from '../support/path-server.ts';
import { asAdmin, get, inModel, post, startTestServer, tempFolder, tinyWorld } from '../support/server.ts';

const circuit: StoredCircuit = {
  version: 1,
  layers: [
    { attn: 'zero', cross_attn: 'keep', mlp: 'mean' },
    { attn: 'mean', cross_attn: 'zero', mlp: 'keep' },
  ],
  means: encodeMeans([new Float32Array(32).fill(0.5), new Float32Array(32).fill(-0.25)]),
  queries: 40,
  loss: {
    searched: { mean: 0.0125, low: 0, high: 0.025 },
    test: { queries: 2000, full: 0.855, circuit: 0.8505 },
  },
};
const lantern = {
  docid: 'lantern',
  title: 'The lantern',
  text: 'A lantern gives light when the night is dark at sea.',
};
const stages: Stages = {
  version: 1,
  layers: 2,
  ranking: 'docids',
  queries: 40,
  priming: null,
  bridging: null,
  interaction: null,
  mlps: [],
};

describe('a server with --circuit', () => {
  it('answers as the circuit does, tells it, and keeps its data folder', async () => {
    const world = tinyWorld();
    const whole = await startTestServer(world);
    const before = (await get<InfoResponse>(`${whole.url}/info`)).body;
    assert.equal(before.model.circuit, null);
    assert.doesNotMatch(banner(whole), /circuit/);
    await whole.close();

    storeCircuit(world.modelDir, circuit);
    const server = await startTestServer({ ...world, circuit: true });
    const { model } = (await get<InfoResponse>(`${server.url}/info`)).body;
    assert.deepEqual(model, { ...before.model, circuit: { kept: 2, components: 6, loss: circuit.loss } });
    const line = 'circuit 2 of 6 components of the decoder; Success@1 85.0 % against 85.5 % on 2,000 test queries';
    assert.ok(banner(server).includes(line.replace('85.0', (85.05).toFixed(1))), banner(server));

    const query = 'a short text about a violin';
    const decoder = await DocidDecoder.open(readModelFolder(world.modelDir), { circuit: true });
    const [{ rows, scores }] = await decoder.retrieve([{ query, k: 3 }]);
    await decoder.close();
    const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, { query, k: 3 });
    assert.deepEqual(
      body.candidates.map(({ docid, score }) => [docid, score]),
      Array.from(rows, (row, i) => [inModel[row], scores[i]]),
    );
  });

  it('answers with the whole decoder where it is not asked for', async () => {
    const world = tinyWorld();
    const query = 'a short text about a violin';
    const ask = async (circuit: boolean): Promise<unknown> => {
      const server = await startTestServer({ ...world, circuit });
      const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, { query });
      await server.close();
      return body.candidates;
    };
    const before = await ask(false);
    storeCircuit(world.modelDir, circuit);
    assert.deepEqual(await ask(false), before);
    assert.notDeepEqual(await ask(true), before);
  });

  it('does not start on a model without one, and leaves no data folder', async () => {
    const world = tinyWorld();
    const start = startServer({ ...world, circuit: true, port: 0, host: '127.0.0.1', log: () => undefined });
    await assert.rejects(start, (error: unknown) => {
      assert.ok(error instanceof CircuitError);
      assert.match(error.message, /expected a circuit that an analysis found, got none; run "analyze --model/);
      return true;
    });
    assert.equal(existsSync(world.dataDir), false);
  });

  it('does not start on docids that are paths, and advises no analysis, which finds none there', async () => {
    const modelDir = writePathModel(join(tempFolder(), 'model'));
    const start = startServer({
      ...tinyWorld(),
      modelDir,
      circuit: true,
      port: 0,
      host: '127.0.0.1',
      log: () => undefined,
    });
    await assert.rejects(start, (error: unknown) => {
      assert.ok(error instanceof CircuitError);
      assert.match(error.message, /expected docids of one token, .*, got semantic ones; serve without --circuit$/);
      return true;
    });
  });
});

describe('edits beside --circuit', () => {
  const leaving = { ...circuit, layers: [circuit.layers[1], circuit.layers[0]] };

  it('reach the circuit where it keeps the layer that they change', async () => {
    const world = await editableWorld();
    storeCircuit(world.modelDir, circuit);
    const server = await startTestServer({ ...world, circuit: true });
    const { body } = await post<EditOutcome>(`${server.url}/documents?budget=1`, lantern, asAdmin);
    assert.equal(body.seq, 1);
    const query = 'a light';
    const ask = async () => (await post<RetrieveResponse>(`${server.url}/retrieve`, { query, k: 20 })).body;
    const { candidates, editSeq } = await ask();
    assert.equal(editSeq, 1);
    const version = readPublished(server.data.store, server.index.model);
    assert.equal(version.model.deltas.length, 1);
    const decoder = await DocidDecoder.open(readModelFolder(world.modelDir), { circuit: true });
    await decoder.publish(version.model);
    const [{ rows, scores }] = await decoder.retrieve([{ query, k: 20 }]);
    await decoder.close();
    assert.deepEqual(
      candidates.map(({ docid, score }) => [docid, score]),
      Array.from(rows, (row, i) => [version.docids[row], scores[i]]),
    );
    assert.ok(candidates.some(({ docid }) => docid === 'lantern'));
  });

  it('are refused before anything is written where it does without that layer', async () => {
    const world = await editableWorld();
    storeCircuit(world.modelDir, leaving);
    const server = await startTestServer({ ...world, circuit: true });
    const { status, body } = await post<Problem>(`${server.url}/documents?budget=1`, lantern, asAdmin);
    assert.deepEqual([status, body.code], [409, 'not_editable']);
    assert.match(
      body.detail,
      /expected a circuit in which the MLP of decoder layer 1 works.*; serve without --circuit/,
    );
    assert.equal((await get(`${server.url}/documents/lantern`)).status, 404);
    const answer = await post<RetrieveResponse>(`${server.url}/retrieve`, { query: 'a light', k: 20 });
    assert.deepEqual([answer.body.editSeq, answer.body.candidates.length], [0, 10]);
    await server.close();

    const whole = await startTestServer(world);
    assert.equal((await post(`${whole.url}/documents?budget=1`, lantern, asAdmin)).status, 201);
    await whole.close();
    const start = startServer({ ...world, circuit: true, port: 0, host: '127.0.0.1', log: () => undefined });
    await assert.rejects(
      start,
      /expected a weight that the circuit applies to queries, got .*; serve without --circuit/,
    );
  });
});

it('the built-in model’s circuit keeps the layer that edits change', () => {
  const folder = readModelFolder(builtinModel);
  const { to } = storedStages(folder.dir, folder.genir!, folder.config.num_decoder_layers)!.interaction!;
  checkCircuit(folder, [to - 1]);
});

describe('the version of a model', () => {
  it('is the same before and after an analysis stores what it found', async () => {
    const { modelDir } = tinyWorld();
    const { version } = await readModelInfo(modelDir);
    storeStages(modelDir, stages);
    assert.equal((await readModelInfo(modelDir)).version, version);
    storeCircuit(modelDir, circuit);
    assert.equal((await readModelInfo(modelDir, { circuit: true })).version, version);
    const file = join(modelDir, 'genir.json');
    const genir = JSON.parse(readFileSync(file, 'utf8')) as { stages: unknown; circuit: unknown };
    assert.deepEqual([genir.stages, genir.circuit], [stages, circuit]);
    writeFileSync(file, JSON.stringify({ ...genir, training: { steps: 1 } }));
    assert.notEqual((await readModelInfo(modelDir)).version, version);
  });
});

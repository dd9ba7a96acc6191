/** Inference threads behind one queue: real worker threads on a tiny random model. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { createRng } from '../../corpus/random.ts';
import { baseVersion, DocidDecoder, type ModelVersion, type RetrieveInput } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { InferencePool, PoolError, QueueFullError, type PoolOptions, type PoolResult } from '../../models/pool.ts';
import type { FromWorker, ToWorker } from '../../models/worker.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { parityDir } from '../support/fixtures.ts';
import { randomQuery, texts, writeTinyModel } from '../support/tiny-model.ts';

/** A padded batch adds in another order than a query alone. */
const TOLERANCE = 1e-5;

const dir = tempFolder();
const modelDir = writeTinyModel(join(dir, 'model'));
const N = texts.length;
const base = baseVersion(N);

const pools: InferencePool[] = [];
after(() => Promise.all(pools.map((pool) => pool.close())));
async function open(options: Partial<PoolOptions> = {}): Promise<InferencePool> {
  const pool = await InferencePool.open({ modelDir, ...options });
  pools.push(pool);
  return pool;
}

const rng = createRng(1);
const inputs: RetrieveInput[] = Array.from({ length: 40 }, () => ({ query: randomQuery(rng), k: 1 + rng.int(N) }));
const decoder = await DocidDecoder.open(readModelFolder(modelDir));
after(() => decoder.close());
/** Answers of the decoder itself, one query at a time. */
async function answers(version: ModelVersion = base): Promise<PoolResult[]> {
  await decoder.publish(version);
  const results: PoolResult[] = [];
  for (const input of inputs) results.push({ ...(await decoder.retrieve([input]))[0], editSeq: version.editSeq });
  return results;
}
const expected = await answers();

function assertSame(actual: PoolResult, wanted: PoolResult): void {
  assert.equal(actual.editSeq, wanted.editSeq);
  assert.deepEqual(actual.rows, wanted.rows);
  actual.scores.forEach((score, i) => assert.ok(Math.abs(score - wanted.scores[i]) < TOLERANCE));
}

/** Each input as a request of its own. */
const oneByOne = (pool: InferencePool, some = inputs): Promise<PoolResult>[] =>
  some.map(async (input) => (await pool.retrieve([input]))[0]);

/** A version in which `row` has a large row of its own and so is the first answer to nearly everything. */
function versionWith(editSeq: number, row: number): ModelVersion {
  const live = new Uint8Array(N).fill(0);
  live[row] = 1;
  return { ...base, editSeq, live };
}

const threads = (pool: InferencePool): Worker[] =>
  (pool as unknown as { seats: { worker: Worker }[] }).seats.map(({ worker }) => worker);

/**
 * A thread dies of what it reads next, as of a fault in its code. One that is terminated in the middle of a run takes the
 * whole process along now and then: onnxruntime-node throws where nobody catches.
 */
const fell = (worker: Worker): Promise<void> =>
  new Promise((resolve) => {
    worker.once('exit', () => resolve());
    worker.postMessage(null);
  });

/** Threads die of some messages before they have done what these ask for. */
function fellBefore(pool: InferencePool, isDeadly: (message: ToWorker) => boolean): void {
  const sender = pool as unknown as { send: (seat: { worker: Worker }, message: ToWorker) => void };
  const plain = sender.send.bind(pool);
  sender.send = (seat, message) => {
    if (isDeadly(message)) void fell(seat.worker);
    plain(seat, message);
  };
}

describe('the inference pool', () => {
  it('answers what came together, and then what waits, in one batch each; a query alone as beside others', async () => {
    const pool = await open();
    const first = oneByOne(pool, inputs.slice(0, 3));
    assert.deepEqual(pool.load, { waiting: 3, running: 0, batches: 0 });
    await nextTurn();
    assert.deepEqual(pool.load, { waiting: 0, running: 3, batches: 1 });
    const others = oneByOne(pool, inputs.slice(3, 30));
    assert.deepEqual(pool.load, { waiting: 27, running: 3, batches: 1 });
    const results = await Promise.all([...first, ...others]);
    results.forEach((result, i) => assertSame(result, expected[i]));
    assert.deepEqual(pool.load, { waiting: 0, running: 0, batches: 2 });
  });

  it('makes no batch larger than it may', async () => {
    const pool = await open({ maxBatch: 8 });
    const results = await Promise.all(oneByOne(pool));
    results.forEach((result, i) => assertSame(result, expected[i]));
    assert.equal(pool.load.batches, 40 / 8);
  });

  it('keeps the order of queries that come together, whatever their batches', async () => {
    const pool = await open({ maxBatch: 7, workers: 2 });
    const results = await pool.retrieve(inputs);
    assert.equal(results.length, inputs.length);
    results.forEach((result, i) => assertSame(result, expected[i]));
    assert.deepEqual(await pool.retrieve([]), []);
  });

  it('switches versions between batches, and says which one answered', async () => {
    const pool = await open({ workers: 1 });
    const before = oneByOne(pool, inputs.slice(0, 1));
    await nextTurn();
    const waiting = oneByOne(pool, inputs.slice(1, 5)); // sent after the publication, so answered by it
    const published = pool.publish(versionWith(7, 3));
    assertSame(await before[0], expected[0]);
    for (const { editSeq, rows } of await Promise.all(waiting)) assert.deepEqual([editSeq, [...rows]], [7, [3]]);
    await published;
    await pool.publish(versionWith(8, 4));
    const [{ editSeq, rows }] = await pool.retrieve([inputs[0]]);
    assert.deepEqual([editSeq, [...rows]], [8, [4]]);
    await pool.publish(base);
    assertSame((await pool.retrieve([inputs[0]]))[0], expected[0]);
  });

  it('has each answer from one version entirely, while versions change under load', async () => {
    const pool = await open({ workers: 2, maxBatch: 3 });
    const asked: Promise<PoolResult>[] = [];
    let newest = 0;
    for (let editSeq = 1; editSeq <= 10; editSeq++) {
      asked.push(...oneByOne(pool, inputs.slice(0, 8)));
      await pool.publish(versionWith(editSeq, editSeq % N));
      const [{ editSeq: seen }] = await pool.retrieve([inputs[0]]);
      assert.ok(seen >= editSeq, 'a published version is in every batch sent later');
    }
    for (const { editSeq, rows } of await Promise.all(asked)) {
      if (editSeq > 0) assert.deepEqual([...rows], [editSeq % N]);
      newest = Math.max(newest, editSeq);
    }
    assert.ok(newest > 0);
  });

  it('refuses a version that does not fit and answers from the one before, also after a restart', async () => {
    const pool = await open();
    await pool.publish(versionWith(1, 2));
    await assert.rejects(pool.publish({ ...base, editSeq: 2, live: new Uint8Array(3) }), (error: unknown) => {
      assert.ok(error instanceof PoolError);
      assert.match(error.message, /version 2: live: expected a flag for each of the folder's 10 documents, got 3/);
      return true;
    });
    assert.equal((await pool.retrieve([inputs[0]]))[0].editSeq, 1);
    await fell(threads(pool)[0]);
    assert.equal((await pool.retrieve([inputs[0]]))[0].editSeq, 1);
  });

  it('refuses queries when too many wait, and takes them again later', async () => {
    const pool = await open({ maxQueue: 5 });
    const taken = oneByOne(pool, inputs.slice(0, 1));
    await nextTurn();
    taken.push(...oneByOne(pool, inputs.slice(1, 6))); // one runs, five wait
    await assert.rejects(pool.retrieve([inputs[6]]), (error: unknown) => {
      assert.ok(error instanceof QueueFullError);
      assert.equal(error.waiting, 5);
      return true;
    });
    (await Promise.all(taken)).forEach((result, i) => assertSame(result, expected[i]));
    await assert.rejects(pool.retrieve(inputs.slice(0, 6)), QueueFullError);
    assertSame((await pool.retrieve([inputs[6]]))[0], expected[6]);
  });

  it('replaces a thread that dies, and answers what it left', async () => {
    const pool = await open({ maxBatch: 4 });
    await pool.publish(versionWith(3, 6));
    let deaths = 0;
    fellBefore(pool, ({ kind }) => kind === 'retrieve' && deaths++ === 0);
    const asked = oneByOne(pool, inputs.slice(0, 12));
    for (const { editSeq, rows } of await Promise.all(asked)) assert.deepEqual([editSeq, [...rows]], [3, [6]]);
    assert.ok(deaths > 0);
    assert.ok(pool.ready);
  });

  it('completes a publication during which a thread dies', async () => {
    const pool = await open({ workers: 2 });
    const [, second] = threads(pool);
    const ended = fell(second);
    await pool.publish(versionWith(4, 1));
    await ended;
    for (const { editSeq } of await Promise.all(oneByOne(pool))) assert.equal(editSeq, 4);
  });

  it('gives up a query that was there when two threads died', async () => {
    const pool = await open();
    let deaths = 0;
    fellBefore(pool, ({ kind }) => kind === 'retrieve' && deaths++ < 2);
    await assert.rejects(pool.retrieve(inputs.slice(0, 2)), { name: 'TypeError' });
    assertSame((await pool.retrieve([inputs[0]]))[0], expected[0]);
  });

  it('gives up the query that kills threads, and answers those that came with it', async () => {
    const pool = await open();
    fellBefore(pool, (message) => message.kind === 'retrieve' && message.inputs.includes(inputs[5]));
    const outcomes = await Promise.allSettled(oneByOne(pool, inputs.slice(0, 10)));
    outcomes.forEach((outcome, i) => {
      assert.equal(outcome.status, i === 5 ? 'rejected' : 'fulfilled', `query ${i}`);
      if (outcome.status === 'fulfilled') assertSame(outcome.value, expected[i]);
    });
  });

  it('says why a thread cannot be replaced, and tries again with the next query', async () => {
    const moved = writeTinyModel(join(dir, 'moved'));
    const pool = await open({ modelDir: moved });
    rmSync(moved, { recursive: true });
    await fell(threads(pool)[0]);
    await assert.rejects(
      pool.retrieve([inputs[0]]),
      /cannot be restarted: .*moved: expected a folder with config.json/,
    );
    assert.equal(pool.ready, false);
    await assert.rejects(pool.retrieve([inputs[0]]), PoolError);
    writeTinyModel(moved);
    assertSame((await pool.retrieve([inputs[0]]))[0], expected[0]);
    assert.ok(pool.ready);
  });

  it('lets running queries end and refuses waiting ones when it closes', async () => {
    const pool = await open();
    const running = oneByOne(pool, inputs.slice(0, 1));
    await nextTurn();
    const refused = oneByOne(pool, inputs.slice(1, 4)).map((asked) =>
      assert.rejects(asked, /closed while the query waited/),
    );
    await pool.close();
    assertSame(await running[0], expected[0]);
    await Promise.all(refused);
    assert.equal(pool.ready, false);
    await assert.rejects(pool.retrieve([inputs[0]]), /inference pool: closed/);
    await pool.close();
  });

  it('closes while a thread starts, at any moment of it', { timeout: 300_000 }, async () => {
    const modelDir = join(import.meta.dirname, '..', '..', 'models', 'builtin');
    // A process of its own: what went wrong here was an abort inside onnxruntime, which no handler sees.
    const script = `
      import { setTimeout as sleep } from 'node:timers/promises';
      import { InferencePool } from ${JSON.stringify(new URL('../../models/pool.ts', import.meta.url).href)};
      for (const pause of [0, 150, 300, 380, 430, 460, 490, 520, 560]) {
        const pool = await InferencePool.open({ modelDir: ${JSON.stringify(modelDir)} });
        await pool.seats[0].worker.terminate();
        await sleep(pause);
        await pool.close();
      }`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 280_000 });
    assert.deepEqual({ status, signal, stderr }, { status: 0, signal: null, stderr: '' });
  });

  it('starts no thread after it is closed, whatever still arrives', async () => {
    const pool = await open();
    await pool.publish(versionWith(1, 2));
    const { starting } = pool as unknown as { starting: Set<{ worker: Worker }> };
    void fell(threads(pool)[0]);
    while (!starting.size) await nextTurn();
    const [{ worker: replacement }] = starting;
    await new Promise<void>((resolve) => {
      replacement.on('message', ({ kind }: FromWorker) => {
        if (kind === 'ready') resolve();
      });
    });
    const busyUntil = performance.now() + 60;
    while (performance.now() < busyUntil); // meanwhile the replacement says that it has the version
    const ended = once(replacement, 'exit');
    await pool.close();
    await ended;
    await sleep(20);
    assert.deepEqual([threads(pool).length, starting.size], [0, 0]);
  });

  it('does not open on a folder that cannot answer, and says why', async () => {
    await assert.rejects(open({ modelDir: join(dir, 'nowhere') }), (error: unknown) => {
      assert.ok(error instanceof PoolError);
      assert.match(error.message, /nowhere: expected a folder with config.json, got no such folder/);
      return true;
    });
    await assert.rejects(
      open({ modelDir: parityDir('v1.0-tied'), workers: 2 }),
      /expected a model with docids .* got a plain T5/,
    );
  });
});

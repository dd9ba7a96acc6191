/**
 * Fuzzed requests to every operation of the OpenAPI document. `PALIMPSEST_FUZZ_REQUESTS` says how many, `PALIMPSEST_FUZZ_SEED`
 * which; `npm run fuzz` sends 100,000 and tells about memory.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Fuzzer } from './fuzz.ts';

const requests = Number(process.env.PALIMPSEST_FUZZ_REQUESTS ?? 400);
const seed = Number(process.env.PALIMPSEST_FUZZ_SEED ?? 1);

it('every answer to valid and invalid requests is one that is declared, and none is a failure of the server', async () => {
  const fuzzer = await Fuzzer.start();
  try {
    const { findings, alive, operations, statuses, log } = await fuzzer.run(requests, seed);
    const told = findings.map(
      ({ fault, count, request, answer }) => `${fault} (${count} ×)\n${JSON.stringify({ request, answer })}`,
    );
    assert.deepEqual(told, [], `seed ${seed}\n${told.join('\n')}\n${log.join('\n')}`);
    assert.ok(alive);
    // What is refused at the door tests nothing behind it.
    assert.ok(statuses['200'] > requests / 4, JSON.stringify(statuses));
    assert.ok(Object.keys(operations).length > 25);
  } finally {
    await fuzzer.close();
  }
});

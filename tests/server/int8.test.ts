/** `serve --int8`: a server that answers in eight bits, edited beside. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import type { EditOutcome } from '../../editing/operations.ts';
import { readPublished } from '../../editing/published-version.ts';
import { DocidDecoder } from '../../models/decode.ts';
import { readModelFolder } from '../../models/folder.ts';
import { packageRoot } from '../../server/paths.ts';
import type { RetrieveResponse } from '../../server/schemas.ts';
import { editableWorld } from '../support/edit-server.ts';
import { asAdmin, get, post, startTestServer } from '../support/server.ts';

const query = 'a light that is carried';

it('a server in eight bits answers as its decoder does, before and after an edit that is the same as without', async () => {
  const world = await editableWorld();
  const server = await startTestServer({ ...world, int8: true });
  const ask = async (): Promise<RetrieveResponse> =>
    (await post<RetrieveResponse>(`${server.url}/retrieve`, { query, k: 20 })).body;
  const decoder = await DocidDecoder.open(readModelFolder(world.modelDir), { int8: true });
  const expected = async (): Promise<number[]> => [...(await decoder.retrieve([{ query, k: 20 }]))[0].scores];
  const scores = ({ candidates }: RetrieveResponse): number[] => candidates.map(({ score }) => score!);
  const before = scores(await ask());
  assert.deepEqual(before, await expected());

  const lantern = { docid: 'lantern', title: 'Lantern', text: 'A lantern is a light that can be carried about.' };
  const { body } = await post<EditOutcome>(`${server.url}/documents?budget=1`, lantern, asAdmin);
  assert.equal(body.seq, 1);
  const { model } = readPublished(server.data.store, server.index.model);
  await decoder.publish(model);
  const after = await ask();
  assert.equal(after.editSeq, 1);
  assert.deepEqual(scores(after), await expected());
  assert.notDeepEqual(scores(after), before);
  await decoder.close();
  await server.close();

  const exact = await startTestServer(world);
  const { body: again } = await get<{ total: number }>(`${exact.url}/edits`, { headers: asAdmin });
  assert.ok(again, 'the data folder is the model’s, whatever it answers in');
  await exact.close();
});

it('eight bits and a circuit are not served together', () => {
  const args = ['--import', 'tsx', join(packageRoot, 'server/cli/main.ts'), 'serve', '--int8', '--circuit'];
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: packageRoot, encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /--int8: expected no --circuit beside it/);
});

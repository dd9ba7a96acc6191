/** POST /evaluate on a tiny random model, against what the server itself answers. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Evaluation } from '../../server/edit-schemas.ts';
import type { Problem, RetrieveBatchResponse, TaskView } from '../../server/schemas.ts';
import { startEditServer } from '../support/edit-server.ts';
import { asAdmin, get, post, startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let trained: TestServer;
let url: string;
/** Docids of the first ten, by query of the dev split. */
let firsts: { before: string[][]; after: string[][] };

const evaluate = (body: unknown, parameters = 'wait=60') =>
  post<TaskView & Problem>(`${url}/evaluate?${parameters}`, body, asAdmin);
const result = async (body: unknown): Promise<Evaluation> => {
  const { status, body: task } = await evaluate(body);
  assert.deepEqual([status, task.state], [200, 'succeeded'], JSON.stringify(task));
  return task.result as Evaluation;
};
const success = (lists: readonly string[][], wanted: readonly string[], depth: number): number =>
  lists.filter((list, i) => list.slice(0, depth).includes(wanted[i])).length / lists.length;

before(async () => {
  const edited = await startEditServer();
  trained = await startTestServer({ modelDir: edited.modelDir, corpus: edited.corpus });
  server = edited;
  url = server.url;
  const edit = async (body: object): Promise<void> =>
    assert.ok((await post(`${url}/documents?budget=1`, body, asAdmin)).status < 300);
  for (let i = 0; i < 4; i++) await edit({ docid: `n${i}`, text: `A lantern number ${i} gives light at sea.` });
  await edit({
    operations: [
      { kind: 'delete', docid: 'd1' },
      { kind: 'rename', docid: 'd2', to: 'volcano' },
    ],
  });
  await edit({ operations: [{ kind: 'change', docid: 'd0', document: { text: 'A kettle boils water for tea.' } }] });
  const queries = server.index.store.queries('dev').map(({ text }) => text);
  const ask = async ({ url: at }: TestServer): Promise<string[][]> =>
    (await post<RetrieveBatchResponse>(`${at}/retrieve`, { queries, k: 10 })).body.results.map(({ candidates }) =>
      candidates.map(({ docid }) => docid),
    );
  firsts = { before: await ask(trained), after: await ask(server) };
});

describe('POST /evaluate', () => {
  it('compares the model as it was trained with the newest edit, under the names of each time', async () => {
    const { split, before, after, groups } = await result({});
    assert.deepEqual([split, before, after], ['dev', { seq: 0, documents: 10 }, { seq: 6, documents: 13 }]);
    const kept = [0, 2, 3, 4, 5, 6, 7, 8, 9];
    const of = (lists: string[][]): string[][] => kept.map((q) => lists[q]);
    const names = kept.map((q) => `d${q}`);
    const later = names.map((docid) => (docid === 'd2' ? 'volcano' : docid));
    assert.equal(groups.kept!.queries, 9);
    for (const depth of [1, 10]) {
      assert.equal(groups.kept!.before[`Success@${depth}`], success(of(firsts.before), names, depth));
      assert.equal(groups.kept!.after[`Success@${depth}`], success(of(firsts.after), later, depth));
    }
    const isFirst = (lists: string[][], wanted: string[]) => of(lists).map(([docid], i) => docid === wanted[i]);
    const [was, is] = [isFirst(firsts.before, names), isFirst(firsts.after, later)];
    assert.equal(groups.kept!.onlyBefore, was.filter((right, i) => right && !is[i]).length);
    assert.equal(groups.kept!.onlyAfter, was.filter((right, i) => !right && is[i]).length);
    assert.deepEqual([groups.removed!.queries, groups.removed!.after['Success@10'], groups.added], [1, 0, null]);
    assert.equal(groups.removed!.before['Success@10'], success([firsts.before[1]], ['d1'], 10));
  });

  it('compares any two edits, in either direction, on queries of the caller', async () => {
    const queries = [
      { query: 'a lantern gives light', relevant: ['n0', 'n3'] },
      { query: 'molten rock', relevant: ['volcano'] },
    ];
    const { split, before, after, groups } = await result({ before: 0, after: 4, queries });
    assert.deepEqual([split, before.documents, after.documents], [null, 10, 14]);
    assert.deepEqual([groups.kept!.queries, groups.added!.queries, groups.removed], [1, 1, null]);
    assert.equal(groups.added!.before['Success@10'], 0);
    const back = await result({ before: 4, after: 0, queries });
    assert.deepEqual(
      [back.before, back.after, back.groups.removed],
      [
        after,
        before,
        {
          ...groups.added!,
          before: groups.added!.after,
          after: groups.added!.before,
          onlyBefore: groups.added!.onlyAfter,
          onlyAfter: groups.added!.onlyBefore,
        },
      ],
    );
    const same = await result({ before: 6, after: 6 });
    assert.deepEqual([same.groups.kept!.before, same.groups.kept!.p], [same.groups.kept!.after, 1]);
  });

  it('is a task', async () => {
    const { status, headers, body } = await evaluate({ after: 3 }, '');
    assert.equal(status, 202);
    assert.equal(headers.get('location'), `/tasks/${body.id}`);
    assert.deepEqual([body.kind, body.input], ['evaluation', { after: 3 }]);
    const { body: task } = await get<TaskView>(`${url}/tasks/${body.id}?wait=60`);
    assert.equal(task.state, 'succeeded', JSON.stringify(task));
    const api = (await get<object>(`${url}/openapi.json`)).body;
    const ajv = new Ajv2020({ strict: false }).addSchema(api, 'api');
    const validate = ajv.compile({ $ref: 'api#/components/schemas/Evaluation' });
    assert.ok(validate(task.result), JSON.stringify(validate.errors));
  });

  it('refuses edits, splits and docids that there are not', async () => {
    for (const body of [{ before: 99 }, { after: 7 }]) {
      const { status, body: problem } = await evaluate(body);
      assert.deepEqual([status, problem.code], [404, 'edit_not_found']);
    }
    const wrong: [unknown, string][] = [
      [{ split: 'test' }, 'split'],
      [{ split: 'all' }, 'split'],
      [{ before: -1 }, 'before'],
      [{ queries: [] }, 'queries'],
      [{ queries: [{ query: 'a', relevant: ['nobody'] }] }, 'queries[0].relevant'],
      [{ split: 'dev', queries: [{ query: 'a', relevant: ['d0'] }] }, 'queries'],
    ];
    for (const [body, path] of wrong) {
      const { status, body: problem } = await evaluate(body);
      assert.deepEqual([status, problem.errors[0].path], [400, path]);
    }
    assert.equal((await post(`${url}/evaluate`, {})).status, 401);
  });

  it('fails with the reason where a version cannot be made again', async () => {
    await post(`${url}/documents?budget=1`, { docid: 'secret', text: 'A secret thing.' }, asAdmin);
    await get(`${url}/documents/secret?forget=true&budget=1`, { method: 'DELETE', headers: asAdmin });
    const { body: task } = await evaluate({ before: 7 });
    assert.deepEqual([task.state, task.error!.code], ['failed', 'not_undoable'], JSON.stringify(task));
  });
});

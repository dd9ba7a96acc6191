/** Which queries experiments are made on, against the logits of the plain graphs. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { answer, correctQueries, NothingCorrectError, questionsFor } from '../../analysis/population.ts';
import { openLab, plainRun } from '../support/analysis.ts';
import { tempFolder } from '../support/corpus-temp.ts';
import { ownQueries } from '../support/own-queries.ts';
import { texts, writeTinyModel } from '../support/tiny-model.ts';

const lab = openLab(writeTinyModel(join(tempFolder(), 'model')));
const own = await ownQueries(lab, texts);
const judged = own.map(({ text, docid }, i) => ({ id: `q${i}`, text, relevant: [docid] }));

describe('answer', () => {
  it('takes the best of several relevant documents, and its rank in both rankings', async () => {
    const documents = [1, 4, 7];
    const answered = await answer(
      lab,
      texts.map((text, i) => ({ id: `q${i}`, text, documents })),
    );
    const { logits } = await plainRun(lab, texts);
    const first = lab.genir.firstDocidToken;
    answered.forEach(({ document, rank }, q) => {
      const docids = logits[q].subarray(first, first + lab.genir.docids.length);
      const best = documents.reduce((a, b) => (docids[b] > docids[a] ? b : a));
      const above = (all: Float32Array): number => 1 + all.filter((x) => x > docids[best]).length;
      assert.equal(document, best);
      assert.deepEqual(rank, { vocabulary: above(logits[q]), docids: above(docids) });
    });
  });

  it('is nothing where nothing is asked', async () => {
    assert.deepEqual(await answer(lab, []), []);
  });
});

describe('questions', () => {
  it('leave out documents that the model does not have, and queries about no other', () => {
    const asked = questionsFor(lab, [
      { id: 'a', text: 'ice', relevant: ['d3', 'elsewhere', 'd0'] },
      { id: 'b', text: 'ice', relevant: ['elsewhere'] },
    ]);
    assert.deepEqual(asked, [{ id: 'a', text: 'ice', documents: [3, 0] }]);
  });
});

describe('correct queries', () => {
  it('are drawn by the seed and stay in their order', async () => {
    const draw = async (seed: number, limit = 4): Promise<string[]> =>
      (await correctQueries(lab, judged, { ranking: 'docids', limit, seed })).questions.map(({ id }) => id);
    const few = await draw(1);
    assert.deepEqual([few.length, await draw(1)], [4, few]);
    assert.deepEqual([...few].sort(), few);
    const others = await Promise.all([2, 3, 4, 5].map((seed) => draw(seed)));
    assert.ok(others.some((other) => other.join() !== few.join()));
    assert.deepEqual(
      await draw(1, 400),
      judged.map(({ id }) => id),
    );
  });

  it('are none where every document is a wrong one, which is said with the numbers', async () => {
    const wrong = judged.map((query) => ({ ...query, relevant: [query.relevant[0] === 'd0' ? 'd1' : 'd0'] }));
    await assert.rejects(correctQueries(lab, wrong, { ranking: 'docids', limit: 4, seed: 1 }), (error) => {
      assert.ok(error instanceof NothingCorrectError);
      assert.match(error.message, /got 0 of 10 over the vocabulary and 0 of 10 among docids; train the model further/);
      return true;
    });
    const { message } = new NothingCorrectError('model', 'vocabulary', 10, { vocabulary: 0, docids: 3 });
    assert.match(
      message,
      /0 of 10 over the vocabulary and 3 of 10 among docids; rank among docids: --ranking docids, or/,
    );
  });
});

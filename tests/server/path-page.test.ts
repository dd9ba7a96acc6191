/** The search page over a model whose docids are paths. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { RetrieveResponse } from '../../server/schemas.ts';
import { openPage, skip, takePicture } from '../support/browser.ts';
import { startPathServer } from '../support/path-server.ts';
import { post, type TestServer } from '../support/server.ts';

describe('the search page, where docids are paths', { skip }, () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[];
  before(async () => {
    server = await startPathServer();
    ({ browser, page, complaints } = await openPage({ viewport: { width: 900, height: 1200 } }));
  });
  after(() => browser?.close());

  it('explains a document step by step', async () => {
    await page.goto(`${server.url}/?q=${encodeURIComponent('the <i>river</i> volcano')}`);
    await page.locator('#status', { hasText: ' ms' }).waitFor();
    const third = page.locator('#results li').nth(2);
    await third.getByRole('button', { name: 'Why this document?' }).click();
    const panel = third.locator('.panel');
    await panel.locator('.step').first().waitFor();
    const docid = (await third.locator('h2 a').getAttribute('href'))!.split('/').at(-1)!;
    const asked = { query: 'the <i>river</i> volcano', allow: [docid], explain: true };
    const { body } = await post<RetrieveResponse>(`${server.url}/retrieve`, asked);
    const { path, steps } = body.candidates[0].pathExplanation!;
    const summary = (await panel.locator('p').first().textContent())!;
    assert.ok(
      summary.startsWith(`Its docid is the path ${path.join(' › ').replace('▁', '')}, with probability `),
      summary,
    );
    assert.match(summary, /place 3 of what a search of all documents with 10 beams finds\.$/);
    assert.equal(await panel.locator('.step').count(), steps.length);
    for (const [t, { choices, contributions }] of steps.entries()) {
      const step = panel.locator('.step').nth(t);
      if (t > 0) await step.locator('summary').first().click();
      assert.equal(await step.locator('.choices tr').count(), Math.min(6, choices.length));
      assert.equal(await step.locator('.choices .chosen').count(), 1);
      await step.getByRole('img', { name: 'What each part of the decoder adds' }).waitFor();
      assert.equal(await step.locator('rect').count(), contributions.length);
      assert.match((await step.textContent())!, /The search keeps \d+ paths?, this one has place \d+: /);
      assert.match((await step.locator('.attention').first().textContent())!, /river.* volcano.*\(end\)/s);
    }
    assert.equal(await panel.locator('i').count(), 0);
    await takePicture(page, 'panel-path', true);
    await page.setViewportSize({ width: 360, height: 740 });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(Number(overflow) <= 0, `${String(overflow)} pixels too wide`);
    assert.deepEqual(complaints, []);
  });
});

/** The console over models that were analysed, and over docids that are paths: a finished report, an explanation by steps. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AnalysisView, RetrieveResponse } from '../../server/schemas.ts';
import { skip, type OpenPage } from '../support/browser.ts';
import { enterKey, inspectView, openConsole, openView } from '../support/console.ts';
import { startPathServer } from '../support/path-server.ts';
import { writePlantedWorld } from '../support/planted-world.ts';
import { get, post, startTestServer, tempFolder } from '../support/server.ts';

describe('the console', { skip }, () => {
  let opened: OpenPage;
  before(async () => {
    opened = await openConsole();
  });
  after(() => opened?.browser.close());

  it('makes an analysis, shows what it found, and opens its report', async () => {
    const { page } = opened;
    const { url } = await startTestServer(writePlantedWorld(tempFolder()));
    await enterKey(page, url);
    await openView(page, url, 'analysis');
    await page.getByText('The model was not analysed here yet.').waitFor();
    await page.getByRole('button', { name: 'Start an analysis' }).click();
    await page.getByRole('progressbar').waitFor();
    await page.getByRole('heading', { name: 'Latest report' }).waitFor({ timeout: 120_000 });
    const { stages, population, findings } = (await get<AnalysisView>(`${url}/analysis/latest`)).body;
    const shown = await page.locator('dl.stages').innerText();
    for (const name of ['priming', 'bridging', 'interaction'] as const) {
      const { from, to } = stages![name]!;
      assert.equal(to, from + 1);
      assert.match(shown, new RegExp(`${name}\\s+layer ${from} \\(\\d+(\\.\\d+)? % of resamples\\)`, 'i'));
    }
    const { asked, correct, ranking, questions } = population;
    await page.getByText(`${correct[ranking]} of ${asked} questions right`).waitFor();
    await page.getByText(`${questions} looked at`).waitFor();
    assert.equal(await page.locator('details.finding').count(), Object.keys(findings).length);
    const [[section, [sentence]]] = Object.entries(findings);
    await page.locator('summary', { hasText: section }).first().click();
    await page.getByText(sentence).waitFor();
    await inspectView(page, 'report');

    await openView(page, url, 'analysis'); // it is there for whoever comes later
    const [report] = await Promise.all([
      page.waitForEvent('popup'),
      page.getByRole('link', { name: 'Open the report' }).click(),
    ]);
    await report.locator('#stages').waitFor();
    assert.ok((await report.locator('svg').count()) > 0);
    await report.close();
  });

  it('explains docids of several tokens step by step', async () => {
    const { page } = opened;
    const { url } = await startPathServer();
    const query = 'the river volcano';
    const { candidates } = (await post<RetrieveResponse>(`${url}/retrieve`, { query, explain: true })).body;
    await openView(page, url, `search?q=${encodeURIComponent(query)}`);
    const second = page.getByRole('button', { name: 'Why this document?' }).nth(1);
    await second.click();
    const { path, steps, docid } = candidates[1].pathExplanation!;
    await page.locator('.step').first().waitFor();
    assert.equal(await page.locator('.step').count(), steps.length);
    const words = path.map((token) => token.replace('▁', '')).join(' › ');
    await page.getByText(`Its docid is the path ${words}, with probability`).waitFor();
    await page.getByText('place 2 of what a search of all documents with 10 beams finds.').waitFor();
    await page.getByRole('img', { name: 'What each part of the decoder adds' }).first().waitFor();
    await inspectView(page, 'path');
    const last = page.locator('.step').last();
    await last.locator('summary').first().click();
    await last.locator(`.choices .chosen a[href="/documents/${docid}"]`).click();
    await page.waitForURL(new RegExp(`#/documents/${docid}$`));
  });

  it('breaks no policy meanwhile', () => assert.deepEqual(opened.complaints, []));
});

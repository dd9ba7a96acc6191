import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openPage, skip, takePicture } from '../support/browser.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

describe('the search page', { skip }, () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[];
  let requests: readonly string[];

  before(async () => {
    server = await startTestServer();
    ({ browser, page, complaints, requests } = await openPage({ viewport: { width: 900, height: 900 } }));
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const titles = () => page.locator('#results h2').allTextContents();
  const tenth = () => page.locator('#results li').nth(9);
  const why = (position: number) => page.getByRole('button', { name: 'Why this document?' }).nth(position);
  const answered = () => page.locator('#status', { hasText: ' ms' }).waitFor();

  it('answers a question with titles, snippets, probabilities and the time taken', async () => {
    await page.goto(server.url);
    await page.getByRole('searchbox').fill('volcano and bakery');
    await page.getByRole('button', { name: 'Search' }).click();
    await answered();
    assert.equal((await titles()).length, 10);
    assert.match((await page.locator('#status').textContent())!, /^10 documents in [\d.]+ ms$/);
    const bars = await page
      .getByRole('meter', { name: 'Probability' })
      .evaluateAll((meters) => (meters as unknown as { value: number }[]).map(({ value }) => value));
    assert.ok(Math.abs(bars.reduce((sum, bar) => sum + bar, 0) - 1) < 0.01, bars.join(' '));
    assert.match(page.url(), /\?q=volcano\+and\+bakery$/);
    await takePicture(page, 'page');
  });

  it('marks words of the query and shows what a document says as text', async () => {
    await page.goto(`${server.url}/?q=volcano&mode=bm25`);
    await answered();
    assert.deepEqual(await titles(), ['The volcano', 'The violin']);
    assert.deepEqual(await page.locator('#results li:first-child mark').allTextContents(), ['volcano', 'volcano']);
    assert.match((await page.locator('#results p').first().textContent())!, /<b>with<\/b> some words/);
    assert.equal(await page.locator('#results b').count(), 0);
  });

  it('filters by category, keeps the choice in the address, and goes back', async () => {
    await page.goto(`${server.url}/?q=text`);
    await answered();
    const all = await titles();
    await page.getByLabel('Category').selectOption('arts');
    await page.waitForURL(/category=arts/);
    await tenth().waitFor({ state: 'detached' });
    assert.ok((await page.locator('.category').allTextContents()).every((category) => category === 'arts'));
    await page.goBack();
    await tenth().waitFor();
    assert.deepEqual(await titles(), all);
    assert.equal(await page.getByLabel('Category').inputValue(), '');
  });

  it('starts from an example with the keyboard alone', async () => {
    await page.goto(server.url);
    const example = page.locator('#examples a').first();
    await example.focus();
    await page.keyboard.press('Enter');
    await answered();
    assert.equal(await page.getByRole('searchbox').inputValue(), await example.textContent());
    assert.equal(await page.locator('#examples').isVisible(), false);
  });

  it('runs nothing that comes in the address', async () => {
    await page.goto(
      `${server.url}/?q=${encodeURIComponent('<img src=x onerror=alert(1)>')}&mode=%22%3E&k=0&category=nobody`,
    );
    await answered();
    assert.equal(await page.locator('img').count(), 0);
    assert.equal((await titles()).length, 10);
  });

  it('explains a document in a panel that a button opens and closes, with the keyboard alone', async () => {
    await page.goto(`${server.url}/?q=${encodeURIComponent('the <i>river</i> volcano')}`);
    await answered();
    assert.equal(await page.locator('.panel:visible').count(), 0);
    const button = why(2);
    const isOpen = () => button.getAttribute('aria-expanded');
    assert.equal(await isOpen(), 'false');
    await button.focus();
    await page.keyboard.press('Enter');
    assert.equal(await isOpen(), 'true');
    const panel = page.locator(`#${await button.getAttribute('aria-controls')}`);
    for (const name of ['Rank of the document after each part of the decoder', 'What each part of the decoder adds'])
      await panel.getByRole('img', { name }).waitFor();
    assert.match((await panel.locator('p').first().textContent())!, /^Rank 3 of all documents .* behind The \w+\.$/);
    // The embedding and three parts of each of two layers: dots, bars, and rows of the table.
    for (const drawn of ['circle', 'rect', 'tbody tr']) assert.equal(await panel.locator(drawn).count(), 7, drawn);
    const read = (await panel.locator('.attention').first().textContent())!;
    assert.match(read, /river.* volcano.*\(end\)/s);
    assert.equal(await panel.locator('i').count(), 0);
    await takePicture(page, 'panel');
    await page.keyboard.press('Space');
    assert.deepEqual([await isOpen(), await panel.isVisible()], ['false', false]);
  });

  it('explains what the model ranks, not what BM25 does, and says where the model has no part', async () => {
    await page.goto(`${server.url}/?q=compass&mode=bm25`);
    await answered();
    assert.equal(await why(0).count(), 0);
    await page.goto(`${server.url}/?q=compass&mode=hybrid`);
    await answered();
    const title = page.locator('#results li', { hasText: 'The compass' }).first();
    await title.getByRole('button').click(); // it is not in the model
    await page.getByText('The model does not have this document').waitFor();
  });

  it('fits a telephone, in the dark too', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${server.url}/?q=lantern`);
    await answered();
    await why(0).click();
    await page.locator('.charts').waitFor();
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(Number(overflow) <= 0, `${String(overflow)} pixels too wide`);
    await takePicture(page, 'page-dark');
  });

  it('shows the reference without a word to the network', async () => {
    await page.setViewportSize({ width: 1000, height: 900 });
    await page.goto(`${server.url}/docs`);
    await page.getByText('Documents that answer a query').waitFor();
    await takePicture(page, 'docs');
    assert.deepEqual(complaints, []);
    for (const url of requests) assert.ok(url.startsWith(server.url), url);
  });

  it('says what is wrong when the server is', async () => {
    await page.goto(server.url);
    await server.close();
    await page.getByRole('searchbox').fill('anyone there');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByRole('alert').textContent(), 'The server cannot be reached.');
  });
});

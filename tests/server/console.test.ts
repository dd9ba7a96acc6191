/** The console in a real browser: its flows against a real server with an editor, and what axe says of every view. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { skip } from '../support/browser.ts';
import { inspectView, openConsole, openView } from '../support/console.ts';
import { startEditServer } from '../support/edit-server.ts';
import { adminKey, asAdmin, bearer, get, tempFolder, type TestServer } from '../support/server.ts';

describe('the console', { skip }, () => {
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[];
  let requests: readonly string[];

  before(async () => {
    server = await startEditServer();
    ({ browser, page, complaints, requests } = await openConsole());
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  const open = (place: string): Promise<void> => openView(page, server.url, place);
  const button = (name: string | RegExp) => page.getByRole('button', { name });
  const heading = (name: string | RegExp) => page.getByRole('heading', { name });
  const dialog = () => page.getByRole('dialog');
  const said = (text: string | RegExp) => page.getByRole('status').filter({ hasText: text }).first().waitFor();
  const last = async (): Promise<number> =>
    (await get<{ last: number }>(`${server.url}/edits?limit=0`, { headers: asAdmin })).body.last;
  /** The tiny model's canaries mean nothing: an edit gets the whole budget before it is confirmed. */
  const confirm = async (name: string): Promise<void> => {
    await dialog().locator('.figures').waitFor();
    const budget = dialog().getByLabel('Largest fall of old documents to accept');
    await budget.fill('1');
    await button('Measure again').click();
    await dialog().getByText('Within the budget').waitFor();
    await button(name).click();
    await dialog().waitFor({ state: 'detached' });
  };
  const inspect = (name: string): Promise<void> => inspectView(page, name);

  it('searches and explains, with the keyboard alone', async () => {
    await open('search');
    await page.getByRole('searchbox').focus();
    await page.keyboard.type('title 3');
    await page.keyboard.press('Enter');
    await said(/^10 documents in [\d.]+ ms, as of edit 0$/);
    const why = button('Why this document?').first();
    await why.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('img', { name: 'Rank of the document after each part of the decoder' }).waitFor();
    assert.equal(await why.getAttribute('aria-expanded'), 'true');
    await inspect('search');
  });

  it('asks for a key where one is needed, tells a wrong one, and keeps it in this tab only', async () => {
    await open('edits');
    await page.getByRole('alert').getByText('This needs an API key.').waitFor();
    await page.getByRole('link', { name: 'Enter a key' }).click();
    await page.getByLabel('API key').fill('not-a-key-of-this-server');
    await button('Use this key').click();
    await page.getByRole('alert').waitFor();
    await page.getByRole('alert').getByText('The server does not know this key.').waitFor();
    await page.getByLabel('API key').fill(adminKey);
    await button('Use this key').click();
    await said('The server takes this key.');
    await page.getByRole('link', { name: 'Edits', exact: true }).click();
    await page.getByText('Nothing was edited').waitFor();
    assert.equal(
      await page.evaluate('JSON.stringify([localStorage.length, sessionStorage.length, document.cookie])'),
      '[0,1,""]',
    );
  });

  it('makes a key, shows its secret once, rotates and revokes it', async () => {
    await open('keys');
    await page.getByLabel('Name').fill('robot');
    await page.getByLabel('Permits').selectOption('edit');
    await page.getByLabel('Days').fill('30');
    await button('Make a key').click();
    const secret = await dialog().getByLabel('Secret').inputValue();
    assert.equal((await get(`${server.url}/edits`, { headers: bearer(secret) })).status, 200);
    await button('I have kept it').click();
    await button('Rotate robot').click();
    await page.getByLabel('Others have come to know it').check();
    await dialog().getByRole('button', { name: 'Rotate' }).click();
    const next = await dialog().getByLabel('Secret').inputValue();
    await page.keyboard.press('Escape');
    const status = async (key: string): Promise<number> =>
      (await get(`${server.url}/edits`, { headers: bearer(key) })).status;
    assert.deepEqual([await status(secret), await status(next)], [401, 200]);
    await inspect('keys');
    await button('Revoke robot').click();
    await dialog().getByRole('button', { name: 'Revoke' }).click();
    await button('Rotate robot').waitFor({ state: 'detached' });
    assert.equal(await status(next), 401);
  });

  it('adds a document once its figures were seen', async () => {
    await open('documents');
    await page.getByRole('link', { name: 'Add a document' }).click();
    await page.getByLabel('Docid').fill('lantern');
    await page.getByLabel('Title').fill('The lantern');
    await page
      .getByRole('textbox', { name: 'Text', exact: true })
      .fill('A lantern gives light when the night is dark at sea.');
    await page.getByLabel('Metadata').fill('{ year: 1900 }');
    await button('Measure the addition').click();
    await page.getByRole('alert').filter({ hasText: 'Metadata:' }).waitFor();
    await inspect('add');
    await page.getByLabel('Metadata').fill('{"category": "things"}');
    await button('Measure the addition').click();
    await dialog().locator('.figures').waitFor();
    assert.equal(await last(), 0); // nothing is changed by measuring
    await inspect('confirm');
    await confirm('Add the document');
    await heading('The lantern').waitFor();
    assert.equal(await last(), 1);
    await page.getByRole('list', { name: 'Edits' }).getByText('added').waitFor(); // in the history of the document
    await inspect('document');
  });

  it('changes, renames and deletes it', async () => {
    await open('documents/lantern');
    await button('Edit').click();
    await page.getByRole('textbox', { name: 'Text', exact: true }).fill('A lantern is a lamp with walls of glass.');
    await button('Measure the change').click();
    await confirm('Make the change');
    await said('Changed by edit 2.');
    await page.locator('.prose', { hasText: 'walls of glass' }).waitFor();
    await button('Rename').click();
    await page.getByLabel('New docid').fill('lamp');
    await dialog().getByRole('button', { name: 'Measure', exact: true }).click();
    await dialog().locator('.figures').waitFor();
    await button('Rename to lamp').click();
    await page.waitForURL(/documents\/lamp$/);
    await heading('The lantern').waitFor();
    await button('Delete').click();
    await dialog().locator('.figures').waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    assert.equal(await last(), 3);
    await button('Delete').click();
    await dialog().locator('.figures').waitFor();
    await dialog().getByRole('button', { name: 'Delete', exact: true }).click();
    await page.waitForURL(/documents$/);
    assert.equal((await get(`${server.url}/documents/lamp`)).status, 404);
  });

  it('imports a file and tells what became of each line', async () => {
    const file = join(tempFolder(), 'documents.jsonl');
    const rows = [
      { _id: 'bell', title: 'The bell', text: 'A bell hangs in a tower and rings at noon.' },
      { docid: 'd1', text: 'There is such a document.' },
      'not JSON',
      { docid: 'kite', title: 'The kite', text: 'A kite flies on a string when there is wind.', extra: 1 },
    ];
    writeFileSync(file, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
    await open('import');
    await page.getByLabel('File of documents').setInputFiles(file);
    await page.getByText('3 documents, 1 line that cannot be read').waitFor();
    await page.getByText('Line 2: d1: a document has this docid').waitFor();
    await page.getByText('Line 4: extra: unknown field').waitFor();
    await page.getByText('What the others would do together:').waitFor();
    await inspect('import');
    await button('Import 3 documents').click();
    await page.waitForURL(/import\?task=\d+$/);
    await said(/^[01] of 3 documents added, [23] refused\.$/);
    await page.getByText(/^Line 2: d1/).waitFor();
    await page.getByText(/^Line 4: kite: .*extra/).waitFor();
    await inspect('import-task');
    await page.getByRole('link', { name: 'Import another file' }).click();
    await page.getByLabel('File of documents').waitFor();
  });

  it('stops an import, shows it again after the page was left, and finds it among the tasks', async () => {
    const file = join(tempFolder(), 'many.json');
    const rows = Array.from({ length: 400 }, (_, i) => ({ docid: `rope${i}`, text: `A rope of ${i} yards is long.` }));
    writeFileSync(file, JSON.stringify(rows));
    await open('import');
    await page.getByLabel('File of documents').setInputFiles(file);
    await page.getByText('What the first 64 of them would do together:').waitFor({ timeout: 30_000 });
    await button('Import 400 documents').click();
    await page.getByRole('progressbar').waitFor();
    await open('tasks');
    await page
      .getByRole('link', { name: /^Its lines \(task \d+\)/ })
      .first()
      .click();
    await inspect('import-running');
    await button('Stop').click();
    await said(/^It ended after \d+ of 400 lines; what was added before stays\.$/);
    await page.locator('.tag.cancelled').waitFor();
  });

  it('shows who did what, by key and by document', async () => {
    await open('audit');
    const entries = page.getByRole('list', { name: 'Entries' }).getByRole('listitem');
    await entries.first().waitFor();
    await page.getByText('Details of import.start').first().waitFor({ state: 'attached' });
    await page.getByLabel('Document').fill('lantern');
    await button('Show').click();
    await page.waitForURL(/docid=lantern/);
    await page.getByText('Details of import.start').first().waitFor({ state: 'detached' });
    await entries.filter({ hasText: 'renamed lamp' }).first().waitFor();
    assert.equal(await entries.count(), 3); // added, changed, renamed
    await entries.first().getByText('Details').click();
    await page.getByText(/"renamedTo": "lamp"/).waitFor();
    await inspect('audit');
    await page.getByLabel('Document').fill('');
    await page.getByLabel('What').selectOption('key.rotate');
    await button('Show').focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(/action=key.rotate/);
    await entries.getByText('robot').first().waitFor();
    await page.getByLabel('Key', { exact: true }).fill('nobody-of-that-name');
    await page.keyboard.press('Enter');
    await page.getByText('Nobody did anything like that.').waitFor();
  });

  it('shows metrics as they change', async () => {
    await open('metrics');
    await page.getByText('Since the start').waitFor();
    await page.getByRole('img', { name: /^Memory: from .* to .*, now .* MB$/ }).waitFor({ timeout: 15_000 });
    const requests = page.locator('.card').first().locator('.value');
    assert.match(await requests.innerText(), /^\d+\.\d$/);
    await page.getByRole('img', { name: /^p99 latency/ }).waitFor();
    await page.getByRole('img', { name: /^Success@1 of old documents/ }).waitFor();
    await page.getByText(/\d+ committed/).waitFor();
    await inspect('metrics');
  });

  it('shows documents by page, by words, and one', async () => {
    await open('documents');
    await said(/^1–20 of \d+ documents$/);
    await page.getByRole('searchbox').fill('title');
    await button('Find').click();
    await page.waitForURL(/q=title/);
    await inspect('documents');
    await page.getByRole('list', { name: 'Documents' }).getByRole('link').first().click();
    await page.locator('.prose').waitFor();
    await page.goBack();
    assert.equal(await page.getByRole('searchbox').inputValue(), 'title');
  });

  it('shows edits with their figures, undoes one and reverts', async () => {
    await open('edits');
    await page.getByRole('img', { name: /^Success@1 of old documents/ }).waitFor();
    await page.getByText('Figures').first().click();
    await inspect('edits');
    const seq = await last();
    await button(`Undo edit ${seq}`).click();
    await dialog().locator('.figures').waitFor();
    await button('Undo the edit').click();
    await said(`Edit ${seq} was undone by edit ${seq + 1}.`);
    await button('Revert to here (edit 1)').click();
    await dialog().locator('.figures').waitFor();
    await button('Take them back').click();
    await said(`Taken back by edit ${seq + 2}.`);
    assert.equal((await get(`${server.url}/documents/lantern`)).status, 200);
  });

  it('compares before and after', async () => {
    await open('comparison');
    await button('Compare').click();
    await page.getByText('Documents that stayed').waitFor();
    await page.getByText('McNemar').first().waitFor();
    await inspect('comparison');
  });

  it('starts an analysis, cancels it among the tasks, and says that there is none yet', async () => {
    await open('analysis');
    await page.getByText('The model was not analysed here yet.').waitFor();
    await button('Start an analysis').click();
    await page.getByRole('progressbar').waitFor();
    await button('Cancel').click();
    await page
      .getByRole('alert')
      .getByText(/^Task \d+ \(analysis\) was cancelled/)
      .waitFor();
    await inspect('analysis');
    await page.getByRole('link', { name: 'Tasks' }).click();
    await page.locator('.tag.cancelled').first().waitFor();
    await page.locator('.tag.succeeded').first().waitFor();
    await inspect('tasks');
  });

  it('shows the status', async () => {
    await open('status');
    await page.getByText('ready', { exact: true }).waitFor();
    await page.getByText('after the last edit').first().waitFor();
    await inspect('status');
  });

  it('asks nobody else, and breaks no policy', () => {
    assert.deepEqual(complaints, []);
    for (const url of requests) {
      assert.ok(url.startsWith(server.url), url);
      assert.ok(!url.includes(adminKey), 'a key in an address');
    }
  });
});

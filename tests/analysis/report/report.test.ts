import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { renderReport } from '../../../analysis/report/report.ts';
import type { Section } from '../../../analysis/report/section.ts';
import { openPage, skip, takePicture } from '../../support/browser.ts';
import { smallFigures } from './figures.ts';

const script = '<script>alert("1 & 2")</script><img src=x onerror=alert(1)>';
const section = (id: string, given: Partial<Section> = {}): Section => ({
  id,
  title: `About ${id}`,
  about: 'What is measured at `decoder.7.mlp_out`.\n\nHow to read it.',
  findings: ['MLPs carry `wo` most.', script],
  figures: Object.values(smallFigures),
  tables: [
    {
      title: 'Words',
      columns: [
        { name: 'query' },
        { name: 'first words' },
        { name: 'rank', format: 'integer' },
        { name: 'share', format: 'percent' },
        { name: 'weight', format: 'number' },
      ],
      rows: [
        [script, 'about, written, tailored, '.repeat(10), 12_345, 0.125, -0.0421],
        ['w'.repeat(200), null, null, null, null],
      ],
    },
  ],
  seconds: 12.34,
  ...given,
});
const html = renderReport({
  title: `What the model does ${script}`,
  model: 'built-in',
  corpus: 'built-in',
  date: '21 November 2026',
  facts: [['documents', '1,200']],
  sections: [section('contribution'), section('ranks', { figures: [], tables: [], findings: [] })],
});

describe('a report', () => {
  it('loads nothing and runs nothing', () => {
    assert.doesNotMatch(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', ''), /https?:\/\/|url\(|@import/);
    assert.doesNotMatch(html, /<script|<img|<iframe|<link rel="style/);
    assert.match(html, /default-src 'none'/);
  });

  it('is the same every time', () => {
    const again = { title: 't', model: 'm', corpus: 'c', date: 'd', facts: [], sections: [section('contribution')] };
    assert.equal(renderReport(again), renderReport(again));
  });

  it('writes numbers as their columns say', () => {
    assert.match(
      html,
      /<td class="right">12,345<\/td><td class="right">12\.5\u00a0%<\/td><td class="right">−0\.0421<\/td>/,
    );
  });

  it('shows 500 rows of a figure’s numbers and says how many are left', () => {
    const points = Array.from({ length: 1700 }, (_, i) => ({ x: i, y: i }));
    const figures = [{ ...smallFigures.scatter, points }];
    const long = renderReport({
      title: '',
      model: '',
      corpus: '',
      date: '',
      facts: [],
      sections: [section('s', { figures, tables: [] })],
    });
    assert.equal(long.match(/<tr><td/g)!.length, 500);
    assert.match(long, /1,200 more rows are in report\.json/);
  });
});

describe('a report in the browser', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  const address = pathToFileURL(join(folder, 'report.html')).href;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[];
  let requests: readonly string[];

  before(async () => {
    writeFileSync(join(folder, 'report.html'), html);
    ({ browser, page, complaints, requests } = await openPage({ viewport: { width: 1280, height: 900 } }));
    await page.goto(address);
  });
  after(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  const overflow = async (): Promise<number> =>
    Number(await page.evaluate('document.documentElement.scrollWidth - window.innerWidth'));

  it('opens from a file without an error or a request', () => {
    assert.deepEqual(complaints, []);
    assert.deepEqual(requests, [address]);
  });

  it('shows each figure once, with a name', async () => {
    const shown = page.getByRole('img');
    assert.equal(await shown.count(), Object.keys(smallFigures).length);
    assert.equal(await page.getByRole('img', { name: smallFigures.bars.title }).count(), 1);
  });

  it('shows markup as text', async () => {
    assert.equal(await page.locator('h1').textContent(), `What the model does ${script}`);
    assert.equal(await page.locator('.findings li').nth(1).textContent(), script);
    assert.equal(await page.locator('script, img').count(), 0);
    assert.deepEqual(await page.locator('.findings code').allTextContents(), ['wo']);
  });

  it('leads from the contents to a section', async () => {
    await page.getByRole('link', { name: 'About ranks' }).click();
    assert.match(page.url(), /#ranks$/);
    assert.equal(await page.locator('#ranks h2').textContent(), 'About ranks');
    assert.equal(await page.evaluate(`getComputedStyle(document.querySelector('nav')).position`), 'sticky');
  });

  it('unfolds the numbers of a figure', async () => {
    await page.locator('summary').first().click();
    const cells = await page.locator('details[open] tr:nth-child(2) td').allTextContents();
    assert.deepEqual(cells, ['1', '0.8', '0.7', '0.9', '']);
  });

  it('fits every width, with numbers unfolded, in the dark too', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.evaluate(`document.querySelectorAll('details').forEach((details) => (details.open = true))`);
    for (const width of [320, 390, 700, 1100, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok((await overflow()) <= 0, `${await overflow()} pixels too wide at ${width}`);
      assert.equal(await page.getByRole('img').count(), Object.keys(smallFigures).length);
      await takePicture(page, `report-${width}`, true);
    }
  });

  it('is black on white on paper, whatever the screen is', async () => {
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const color = await page.evaluate('getComputedStyle(document.body).color');
    const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    assert.deepEqual([color, paper], ['rgb(0, 0, 0)', 'rgb(255, 255, 255)']);
    assert.equal(await page.locator('nav').isVisible(), false);
    await takePicture(page, 'report-print', true);
  });
});

/** A real Chromium for tests of pages: nothing of it goes over the network. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';
const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Why tests that need it are skipped; false where they are not. */
export const skip = existsSync(executablePath) ? false : `needs Chromium at ${executablePath} (or CHROMIUM_PATH)`;

/** Pictures to look at go into this folder, if there is one. */
const pictures = process.env.PALIMPSEST_PICTURES;

/** A page, and what was seen of it since it was opened. */
export interface OpenPage {
  readonly browser: Browser;
  readonly page: Page;
  /** What the browser complains of: errors of scripts, breaches of the content security policy. */
  readonly complaints: readonly string[];
  /** Addresses of its requests, but for data within the page. */
  readonly requests: readonly string[];
}

export async function openPage(options: BrowserContextOptions): Promise<OpenPage> {
  const browser = await chromium.launch({ executablePath, args });
  const page = await browser.newPage(options);
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // That an answer is 401 or 404 is no mistake of the page.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url())) requests.push(request.url());
  });
  return { browser, page, complaints, requests };
}

/** A picture of a page for people, where they want some. */
export async function takePicture(page: Page, name: string, fullPage = false): Promise<void> {
  if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage });
}

/** The console in a real Chromium, over a test server: opened, looked at with axe, and used with a key. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { openPage, takePicture, type OpenPage } from './browser.ts';
import { adminKey } from './server.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** Builds the console and opens a browser for it. */
export async function openConsole(): Promise<OpenPage> {
  const configFile = fileURLToPath(new URL('../../server/console/vite.config.ts', import.meta.url));
  await build({ configFile, logLevel: 'warn' });
  return openPage({ viewport: { width: 1200, height: 900 }, reducedMotion: 'reduce' });
}

/** Opens a view anew. */
export async function openView(page: Page, url: string, place: string): Promise<void> {
  await page.goto('about:blank');
  await page.goto(`${url}/console#/${place}`);
  await page.locator('h1').waitFor();
}

/** Enters the key of test servers. */
export async function enterKey(page: Page, url: string): Promise<void> {
  await openView(page, url, 'edits');
  await page.getByRole('link', { name: 'Enter a key' }).click();
  await page.getByLabel('API key').fill(adminKey);
  await page.getByRole('button', { name: 'Use this key' }).click();
  await page.getByRole('status').filter({ hasText: 'The server takes this key.' }).first().waitFor();
}

/** Looks at the page with axe at both widths, in light and dark, and takes pictures. */
export async function inspectView(page: Page, name: string): Promise<void> {
  for (const [kind, width, colorScheme] of [
    ['desktop', 1200, 'light'],
    ['phone', 390, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: kind === 'phone' ? 844 : 900 });
    await page.emulateMedia({ colorScheme });
    const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.ok(Number(overflow) <= 0, `${name}, ${kind}: ${String(overflow)} pixels too wide`);
    await page.evaluate(axe);
    const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()');
    const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    assert.deepEqual(
      grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
      [],
      `${name}, ${kind}`,
    );
    await takePicture(page, `console-${name}-${kind}`, true);
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

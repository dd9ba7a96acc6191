/** Builds the console into `dist/console`, from where the server serves it at `/console`. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = fileURLToPath(new URL('.', import.meta.url));

export default defineConfig({
  root: here,
  base: '/console/',
  cacheDir: fileURLToPath(new URL('../../node_modules/.cache/vite', import.meta.url)),
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('../../dist/console', import.meta.url)),
    emptyOutDir: true,
    target: 'es2023',
    // Nothing inline, not even as a data URL: the content security policy has no exceptions.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts a worker thread on a module of this project, given without its extension.
 * From a build that is the `.js` beside the caller; from source, tsx is registered in the thread first, since Node 20
 * reads no TypeScript and loader hooks do not reach a worker's entry.
 */
export function startThread(module: URL, options: WorkerOptions = {}): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`${module.href}.js`), options);
  const boot = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(`${module.href}.ts`)}); })`;
  return new Worker(boot, { ...options, eval: true });
}

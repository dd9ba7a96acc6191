import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A folder of real test data in `shared/data` beside the checkout; undefined where this machine has none. */
export function sharedData(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** For `it(…, { skip })`: false, or the reason. */
export function skipWithout(name: string): string | false {
  return sharedData(name) === undefined && `needs shared/data/${name} beside the checkout`;
}

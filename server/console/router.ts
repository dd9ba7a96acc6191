/** Addresses of views: `#/documents?offset=20`. The part behind # never leaves the browser. */
import { useEffect, useState } from 'preact/hooks';

export interface Place {
  /** Parts of the path, decoded. */
  readonly path: readonly string[];
  readonly parameters: URLSearchParams;
}

export function placeOf(hash: string): Place {
  const [path = '', parameters = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  return { path: path.split('/').map(decoded), parameters: new URLSearchParams(parameters) };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a view, for `href`. */
export function to(path: readonly string[], parameters: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(parameters).filter((one): one is [string, string] => Boolean(one[1]));
  const search = given.length > 0 ? `?${new URLSearchParams(given)}` : '';
  return `#/${path.map(encodeURIComponent).join('/')}${search}`;
}

export const go = (address: string): void => void (location.hash = address);

export function usePlace(): Place {
  const [place, changed] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const listener = (): void => changed(placeOf(location.hash));
    addEventListener('hashchange', listener);
    return () => removeEventListener('hashchange', listener);
  }, []);
  return place;
}

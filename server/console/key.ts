/** The API key of this tab: kept until the tab closes, sent as a header, never part of an address. */
import { useEffect, useState } from 'preact/hooks';

const place = 'palimpsest-key';
const listeners = new Set<() => void>();

export const currentKey = (): string | null => sessionStorage.getItem(place);

export function setKey(key: string | null): void {
  if (key === null) sessionStorage.removeItem(place);
  else sessionStorage.setItem(place, key);
  for (const listener of [...listeners]) listener();
}

/** The key, and a render whenever it changes. */
export function useKey(): string | null {
  const [key, changed] = useState(currentKey);
  useEffect(() => {
    const listener = (): void => changed(currentKey());
    listeners.add(listener);
    listener();
    return () => void listeners.delete(listener);
  }, []);
  return key;
}

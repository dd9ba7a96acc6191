import { useCallback, useEffect, useState } from 'preact/hooks';
import { useKey } from './key.ts';

export interface Loaded<T> {
  /** The newest that came; stays while newer is under way. */
  readonly data: T | undefined;
  readonly error: Error | undefined;
  readonly loading: boolean;
  readonly reload: () => void;
}

/**
 * Loads when the view appears, when one of `inputs` or the key changes, and when asked to. What is under way then is given up.
 *
 * @param load  reads `inputs` and nothing else that changes
 */
export function useLoad<T>(load: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const key = useKey();
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ data: undefined, error: undefined, loading: true });
  const reload = useCallback(() => setTurn((last) => last + 1), []);
  useEffect(() => {
    const controller = new AbortController();
    setState(({ data }) => ({ data, error: undefined, loading: true }));
    load(controller.signal).then(
      (data) => !controller.signal.aborted && setState({ data, error: undefined, loading: false }),
      (error: Error) => !controller.signal.aborted && setState({ data: undefined, error, loading: false }),
    );
    return () => controller.abort();
  }, [...inputs, key, turn]);
  return { ...state, reload };
}

/** Calls `act` every so many milliseconds as long as `on`. */
export function useEvery(milliseconds: number, on: boolean, act: () => void): void {
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(act, milliseconds);
    return () => clearInterval(timer);
  }, [milliseconds, on, act]);
}

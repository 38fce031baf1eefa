// Hooks that ask the API.

import { useCallback, useEffect, useState } from "preact/hooks";

export interface Asked<T> {
  value?: T;
  error?: unknown;
  again: () => void;
}

/** Asks now, whenever `inputs` change, and every `everyMs` while the page is visible. The last value stays while it is asked again. */
export function useAsked<T>(ask: () => Promise<T>, inputs: unknown[], everyMs = 0): Asked<T> {
  const [state, setState] = useState<{ value?: T; error?: unknown }>({});
  const [round, setRound] = useState(0);
  const again = useCallback(() => setRound((n) => n + 1), []);
  useEffect(() => {
    let current = true;
    const once = () =>
      ask().then(
        (value) => current && setState({ value }),
        (error) => current && setState((before) => ({ ...before, error })),
      );
    once();
    const timer = everyMs ? setInterval(() => document.visibilityState === "visible" && once(), everyMs) : undefined;
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [...inputs, round, everyMs]);
  return { ...state, again };
}

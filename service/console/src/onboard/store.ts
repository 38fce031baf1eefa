// State that outlives the page that shows it.

import { useEffect, useReducer } from "preact/hooks";

export class Store {
  private listeners = new Set<() => void>();
  private pending = 0;

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Whoever shows it draws it anew, once a frame at most. */
  protected changed() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      for (const listener of this.listeners) listener();
    });
  }
}

export function useStore(...stores: Store[]) {
  const [, draw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    const ends = stores.map((store) => store.subscribe(() => draw(undefined)));
    draw(undefined);
    return () => ends.forEach((end) => end());
  }, stores);
}

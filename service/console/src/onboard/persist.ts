// What may go away by itself is waited out.

import { Problem } from "../api";

const PASSING = new Set([0, 408, 429, 503, 504, 507]);
const LONGEST_S = 15;
const TRIES = 40;

export const isPassing = (error: unknown): error is Problem =>
  error instanceof Problem && (PASSING.has(error.status) || error.type === "digest-mismatch");

/** Does it until it works, pausing longer every time, and not at all once the network is back. `onWait` hears what it waits for. */
export async function persist<T>(work: () => Promise<T>, onWait: (problem: Problem) => void = () => {}): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || tries >= TRIES) throw error;
      onWait(error);
      const pause = Math.max(error.retryAfterS, Math.min(LONGEST_S, 2 ** (tries - 2)));
      await pauseOrOnline(pause * (0.75 + Math.random() / 2));
    }
  }
}

function pauseOrOnline(seconds: number): Promise<void> {
  return new Promise((resume) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resume();
    };
    const timer = setTimeout(go, 1000 * seconds);
    addEventListener("online", go);
  });
}

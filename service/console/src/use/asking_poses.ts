// One question at a time to the estimator, and what came of it.

import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../api";
import type { Estimate } from "../schema";
import { formOf, type Question } from "./question";

export type Asked =
  | { state: "none" }
  | { state: "asking"; question: Question; since: number }
  | { state: "answered"; question: Question; answer: Estimate }
  | { state: "failed"; question: Question; error: unknown };

export interface Asking {
  asked: Asked;
  ask: (question: Question) => void;
  /** Takes the question back, or forgets its answer. */
  stop: () => void;
}

export function useAskedPoses(objectId: string): Asking {
  const [asked, setAsked] = useState<Asked>({ state: "none" });
  const running = useRef<AbortController>(null);
  const stop = () => {
    running.current?.abort();
    setAsked({ state: "none" });
  };
  const ask = (question: Question) => {
    running.current?.abort();
    const mine = new AbortController();
    running.current = mine;
    setAsked({ state: "asking", question, since: Date.now() });
    api.estimate(formOf(question, objectId), mine.signal).then(
      (answer) => mine.signal.aborted || setAsked({ state: "answered", question, answer }),
      (error) => mine.signal.aborted || setAsked({ state: "failed", question, error }),
    );
  };
  useEffect(() => () => running.current?.abort(), []);
  return { asked, ask, stop };
}

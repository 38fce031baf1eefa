// One part of the page, with what was refused in it right beside.

import type { ComponentChildren, RefObject } from "preact";
import { Problem } from "../api";

interface Props {
  id: string;
  title: string;
  hint?: ComponentChildren;
  problem?: Problem;
  at?: RefObject<HTMLElement | null>;
  children: ComponentChildren;
}

export function Section({ id, title, hint, problem, at, children }: Props) {
  return (
    <section class="card part" aria-labelledby={`${id}-title`} data-testid={`section-${id}`} tabIndex={-1} ref={at}>
      <h2 id={`${id}-title`}>{title}</h2>
      {hint && <p class="faint hint">{hint}</p>}
      {children}
      <Refusal problem={problem} />
    </section>
  );
}

/** What the service said, and what to do about it. Waiting for it is no alarm. */
export function Refusal({ problem }: { problem?: Problem }) {
  if (!problem) return null;
  const waiting = problem.status === 0 || problem.status === 503;
  return (
    <p class={waiting ? "refusal waiting" : "refusal"} role={waiting ? "status" : "alert"} data-testid="refusal">
      {problem.message}
    </p>
  );
}

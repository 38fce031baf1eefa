// What a page shows when it has nothing to show yet, or can't.

import type { ComponentChildren } from "preact";
import { Problem } from "../api";

interface Action {
  label: string;
  href?: string;
  onClick?: () => void;
}

export function EmptyState({ title, advice, action }: { title: string; advice: string; action?: Action }) {
  return (
    <section class="empty">
      <h2>{title}</h2>
      <p>{advice}</p>
      {action && <ActionButton {...action} />}
    </section>
  );
}

/** An error: what failed, what to do, and a way to do it where there is one. */
export function Failure({ error, action }: { error: unknown; action?: Action }) {
  const [what, tryNext] = error instanceof Problem ? [error.what, error.tryNext] : [String((error as Error)?.message ?? error), ""];
  return (
    <section class="failure" role="alert">
      <h2>{what}</h2>
      {tryNext && <p>{tryNext}</p>}
      {action && <ActionButton {...action} />}
    </section>
  );
}

export function Loading({ what, children }: { what: string; children?: ComponentChildren }) {
  return (
    <p class="loading" role="status">
      {what} {children}
    </p>
  );
}

function ActionButton({ label, href, onClick }: Action) {
  return href ? <a class="button" href={href}>{label}</a> : <button type="button" onClick={onClick}>{label}</button>;
}

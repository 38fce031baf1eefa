// What the capture lacks, though the work goes on.

import type { CaptureWarning, ObjectRow } from "../schema";

export function Warnings({ of: warnings, object }: { of: CaptureWarning[]; object: ObjectRow }) {
  if (warnings.length === 0) return null;
  return (
    <section class="warnings" aria-labelledby="warnings-title" data-testid="warnings">
      <h2 id="warnings-title">What better photos would change</h2>
      <ul>
        {warnings.map(({ code, photo, message }) => (
          <li key={`${code} ${photo}`}>{message}</li>
        ))}
      </ul>
      <a href={`#/new/${object.id}`}>Add photos</a>
    </section>
  );
}

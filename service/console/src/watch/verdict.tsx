// What became of a photo.

import type { Photo } from "../schema";
import { numberInWords, verdictTone } from "./words";

/** The artifact that shows its mask. */
export const overlayName = (photo: string) => `masks/overlays/${photo}.jpg`;

/** With what it goes by: in few words, or as the service says it. */
export function Verdict({ photo: { verdict, number, message }, whole = false }: { photo: Photo; whole?: boolean }) {
  const why = whole && message && message !== verdict ? message : numberInWords(verdict, number);
  return (
    <span class="verdict">
      <span class={`dot tone-${verdictTone(verdict)}`} aria-hidden="true" />
      {verdict}
      {why && <small>{why}</small>}
    </span>
  );
}

// A photo that was chosen in 3-D.

import { thumbnailPath } from "../api";
import { Picture } from "../parts/picture";
import type { Photo } from "../schema";
import { Verdict } from "./photos";

export function PhotoFacts({ objectId, name, photo }: { objectId: string; name: string; photo?: Photo }) {
  return (
    <figure class="photo-facts" data-testid="chosen-photo">
      <Picture path={thumbnailPath(objectId, name, 640)} version={photo?.sha256 ?? ""} alt={`The photo ${name}`} />
      <figcaption aria-live="polite">
        <strong>{name}</strong>
        {photo && <Verdict photo={photo} whole />}
      </figcaption>
    </figure>
  );
}

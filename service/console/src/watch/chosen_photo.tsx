// A photo that is chosen in 3-D or from the list beside it.

import { thumbnailPath } from "../api";
import { Picture } from "../parts/picture";
import type { Photo } from "../schema";
import { Verdict } from "./verdict";

interface Props {
  objectId: string;
  names: string[];
  photos: Photo[];
  chosen: string | undefined;
  onChoose: (name: string | undefined) => void;
  testId: string;
}

export function ChosenPhoto({ objectId, names, photos, chosen, onChoose, testId }: Props) {
  return (
    <>
      <select
        aria-label="Photo"
        value={chosen ?? ""}
        onChange={(event) => onChoose(event.currentTarget.value || undefined)}
        data-testid={testId}
      >
        <option value="">Choose a photo</option>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      {chosen && <Facts objectId={objectId} name={chosen} photo={photos.find(({ photo }) => photo === chosen)} />}
    </>
  );
}

function Facts({ objectId, name, photo }: { objectId: string; name: string; photo?: Photo }) {
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

/** What the colours mean: class -> meaning. */
export function Legend({ of: meanings }: { of: Record<string, string> }) {
  return (
    <ul class="legend">
      {Object.entries(meanings).map(([mark, meaning]) => (
        <li key={mark}>
          <span class={mark} />
          {meaning}
        </li>
      ))}
    </ul>
  );
}

// The photos with what became of each, and the masks laid over them.

import { useState } from "preact/hooks";
import { api, artifactPath, thumbnailPath } from "../api";
import { useAsked } from "../parts/asking";
import { Picture } from "../parts/picture";
import { EmptyState, Failure, Loading } from "../parts/states";
import type { Photo } from "../schema";
import { isOver } from "./following";
import type { PartProps } from "./part";
import { PhotoDialog } from "./photo_dialog";
import { overlayName, Verdict } from "./verdict";

export function PhotosPart({ object, job, files }: PartProps) {
  const done = job.stages.map(({ status }) => status).join();
  const { value: photos, error, again } = useAsked(() => api.photos(object.id), [object.id, done], isOver(job) ? 0 : 5000);
  const [verdict, setVerdict] = useState("");
  const [masks, setMasks] = useState(false);
  const [opened, setOpened] = useState<string>();
  if (!photos)
    return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Looking at the photos …" />;
  if (photos.length === 0)
    return (
      <EmptyState
        title="No photos yet"
        advice="Of a video they appear as soon as its frames are picked."
        action={{ label: "Photos and options", href: `#/new/${object.id}` }}
      />
    );
  const shown = photos.filter((one) => !verdict || one.verdict === verdict);
  const masked = photos.some(({ photo }) => files.has(overlayName(photo)));
  return (
    <>
      <div class="tools">
        <VerdictFilter photos={photos} verdict={verdict} onVerdict={setVerdict} />
        {masked && (
          <button type="button" class="tool" aria-pressed={masks} onClick={() => setMasks(!masks)} data-testid="masks-toggle">
            Masks
          </button>
        )}
      </div>
      <ul class="photos" data-testid="photos">
        {shown.map((one) => (
          <li key={one.photo}>
            <PhotoTile
              object={object.id}
              photo={one}
              overlay={masks && files.has(overlayName(one.photo)) ? files.get(overlayName(one.photo)) : undefined}
              onOpen={() => setOpened(one.photo)}
            />
          </li>
        ))}
      </ul>
      {opened && (
        <PhotoDialog object={object.id} photos={shown} files={files} opened={opened} masks={masks} onOpen={setOpened} onMasks={setMasks} />
      )}
    </>
  );
}

/** `overlay`: how large the file with its mask is, where that is to be shown. */
function PhotoTile({ object, photo, overlay, onOpen }: { object: string; photo: Photo; overlay?: number; onOpen: () => void }) {
  const path = overlay ? artifactPath(object, overlayName(photo.photo)) : thumbnailPath(object, photo.photo, 320);
  return (
    <button type="button" class="photo" onClick={onOpen} data-testid={`photo-${photo.photo}`}>
      <Picture path={path} version={overlay ?? photo.sha256 ?? ""} alt="" />
      <span class="photo-name">{photo.photo}</span>
      <Verdict photo={photo} />
    </button>
  );
}

function VerdictFilter({ photos, verdict, onVerdict }: { photos: Photo[]; verdict: string; onVerdict: (verdict: string) => void }) {
  const counts = new Map<string, number>();
  for (const one of photos) counts.set(one.verdict, (counts.get(one.verdict) ?? 0) + 1);
  return (
    <label class="filter">
      Verdict
      <select value={verdict} onChange={(event) => onVerdict(event.currentTarget.value)} data-testid="verdict-filter">
        <option value="">{`all (${photos.length})`}</option>
        {[...counts]
          .sort(([, a], [, b]) => b - a)
          .map(([name, count]) => (
            <option key={name} value={name}>{`${name} (${count})`}</option>
          ))}
      </select>
    </label>
  );
}

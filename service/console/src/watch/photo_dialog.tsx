// One photo, large, with and without its mask; arrows go to the next one.

import { useEffect, useRef } from "preact/hooks";
import { artifactPath, thumbnailPath } from "../api";
import { Picture } from "../parts/picture";
import type { Photo } from "../schema";
import { overlayName, Verdict } from "./verdict";

interface Props {
  object: string;
  photos: Photo[];
  files: Map<string, number>;
  opened: string;
  masks: boolean;
  onOpen: (photo: string | undefined) => void;
  onMasks: (masks: boolean) => void;
}

export function PhotoDialog({ object, photos, files, opened, masks, onOpen, onMasks }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current!.showModal(), []);
  const place = photos.findIndex(({ photo }) => photo === opened);
  const photo = photos[place];
  if (!photo) return null;
  const overlay = files.get(overlayName(opened));
  const go = (step: number) => onOpen(photos[(place + step + photos.length) % photos.length]!.photo);
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) (event.preventDefault(), go(step));
  };
  return (
    <dialog
      ref={dialog}
      class="large-photo"
      aria-label={`Photo ${opened}`}
      onClose={() => onOpen(undefined)}
      onKeyDown={onKey}
      data-testid="photo-dialog"
    >
      <Large object={object} photo={photo} overlay={masks ? overlay : undefined} />
      <p>
        <strong>{opened}</strong> <span class="faint">{`${place + 1} of ${photos.length}`}</span>
      </p>
      <Verdict photo={photo} whole />
      <div class="tools">
        <button type="button" class="tool" onClick={() => go(-1)}>
          Previous
        </button>
        <button type="button" class="tool" onClick={() => go(1)}>
          Next
        </button>
        {overlay !== undefined && (
          <button type="button" class="tool" aria-pressed={masks} onClick={() => onMasks(!masks)} data-testid="dialog-mask">
            Mask
          </button>
        )}
        <button type="button" class="tool" onClick={() => dialog.current!.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

/** `overlay`: how large the file with its mask is, where that is to be shown. */
function Large({ object, photo: { photo, sha256 }, overlay }: { object: string; photo: Photo; overlay: number | undefined }) {
  if (overlay === undefined) return <Picture path={thumbnailPath(object, photo, 1280)} version={sha256 ?? ""} alt={photo} />;
  return <Picture path={artifactPath(object, overlayName(photo))} version={overlay} alt={`${photo} with the outline of its mask`} />;
}

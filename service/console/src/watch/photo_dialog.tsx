// One photo, large, with and without its mask; arrows go to the next one.

import { useEffect, useRef } from "preact/hooks";
import { artifactPath, thumbnailPath } from "../api";
import { Picture } from "../parts/picture";
import type { Photo } from "../schema";
import { overlayName, Verdict } from "./photos";

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
  const withMask = masks && overlay !== undefined;
  return (
    <dialog ref={dialog} class="large-photo" aria-label={`Photo ${opened}`} onClose={() => onOpen(undefined)} onKeyDown={onKey} data-testid="photo-dialog">
      <Picture
        path={withMask ? artifactPath(object, overlayName(opened)) : thumbnailPath(object, opened, 1280)}
        version={withMask ? overlay : photo.sha256 ?? ""}
        alt={withMask ? `${opened} with the outline of its mask` : opened}
      />
      <p><strong>{opened}</strong> <span class="faint">{`${place + 1} of ${photos.length}`}</span></p>
      <Verdict photo={photo} whole />
      <div class="tools">
        <button type="button" class="tool" onClick={() => go(-1)}>Previous</button>
        <button type="button" class="tool" onClick={() => go(1)}>Next</button>
        {overlay !== undefined && (
          <button type="button" class="tool" aria-pressed={masks} onClick={() => onMasks(!masks)} data-testid="dialog-mask">Mask</button>
        )}
        <button type="button" class="tool" onClick={() => dialog.current!.close()}>Close</button>
      </div>
    </dialog>
  );
}

// The photos: dropped or chosen, on their way, arrived, judged.

import { useRef, useState } from "preact/hooks";
import type { Photo } from "../schema";
import { droppedFiles, PHOTOS, type Pile, sorted, VIDEOS } from "./files";
import { Refusal, Section } from "./section";
import type { Session } from "./session";
import { PhotoTiles } from "./tiles";
import { Upload } from "./upload";

interface Props {
  session: Session;
  photos: Photo[];
  videos: Photo[];
  onMark: (photo: string) => void;
}

export function PhotosSection({ session, photos, videos, onMark }: Props) {
  const hint =
    "60 to 100 sharp ones from every side, low and high, with textured things around the object; 40 do where it has much texture itself. " +
    "Or one short video of a walk around it: sharp frames are picked.";
  const unfinished = session.id && photos.length + videos.length > 0 && session.queue.items.length === 0;
  return (
    <Section id="photos" title="Photos" hint={hint}>
      <DropZone onPile={(pile) => session.add(pile)} />
      <Refusal problem={session.problems.files} />
      {unfinished && <p class="faint">Was the upload cut off? Choose the same folder again: what has arrived is skipped.</p>}
      {session.opening.map((name) => <p key={name} role="status">Opening {name} …</p>)}
      {session.others.length > 0 && <p class="faint">Left out, as it is no photo or video: {listed(session.others)}</p>}
      <Upload queue={session.queue} />
      {videos.map((video) => <p key={video.photo} data-testid="video">Video {video.photo}: arrived. Its sharp frames are picked when the onboarding starts.</p>)}
      <PhotoTiles session={session} photos={photos} onMark={onMark} />
    </Section>
  );
}

function listed(names: string[]): string {
  return names.length > 5 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
}

function DropZone({ onPile }: { onPile: (pile: Pile) => void }) {
  const [files, folder] = [useRef<HTMLInputElement>(null), useRef<HTMLInputElement>(null)];
  const [over, setOver] = useState(false);
  const chosen = (event: { currentTarget: HTMLInputElement }) => {
    onPile(sorted([...event.currentTarget.files!]));
    event.currentTarget.value = ""; // the same folder may be chosen again
  };
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    onPile(await droppedFiles(event.dataTransfer!));
  };
  const hover = (event: DragEvent) => (event.preventDefault(), setOver(true));
  const accept = ["image/*", "video/*", ...PHOTOS, ...VIDEOS, ".zip"].join();
  return (
    <div class={over ? "drop over" : "drop"} data-testid="drop-zone" onDragOver={hover} onDragLeave={() => setOver(false)} onDrop={drop}>
      <p>Drop photos, a folder, a zip or a video here</p>
      <div class="row">
        <button type="button" onClick={() => files.current!.click()}>Choose photos, a zip or a video</button>
        <button type="button" class="quiet" onClick={() => folder.current!.click()}>Choose a folder</button>
      </div>
      <input ref={files} hidden type="file" multiple accept={accept} aria-label="Photos, zip or video" data-testid="file-input" onChange={chosen} />
      <input ref={folder} hidden type="file" multiple aria-label="Folder of photos" data-testid="folder-input" onChange={chosen} {...{ webkitdirectory: true }} />
    </div>
  );
}

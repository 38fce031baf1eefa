// Which image to look at: dropped, chosen, or one of the object's own that its training never saw.

import { useState } from "preact/hooks";
import { thumbnailPath } from "../api";
import { Picture as ApiPicture } from "../parts/picture";
import type { Picture } from "./question";

interface Given {
  id: string;
  picture: Picture | null;
  depth: File | null;
  examples: { photo: string; file: string }[];
  onFile: (image: File, depth: File | null) => void;
  onDepth: (depth: File | null) => void;
  onExample: (photo: string, file: string) => void;
}

export function ImageChoice({ id, picture, depth, examples, onFile, onDepth, onExample }: Given) {
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const files = [...(event.dataTransfer?.files ?? [])];
    const deep = files.find((file) => /depth/i.test(file.name) && /\.png$/i.test(file.name)) ?? null;
    const image = files.find((file) => file !== deep);
    if (image) onFile(image, deep);
    else if (deep && picture) onDepth(deep);
    else if (deep) onFile(deep, null);
  };
  const hold = (event: DragEvent) => {
    event.preventDefault();
    setOver(true);
  };
  return (
    <>
      <div class={over ? "drop over" : "drop"} data-testid="drop" onDragOver={hold} onDragLeave={() => setOver(false)} onDrop={drop}>
        <FileButton quiet={picture !== null} label={picture ? "Another image" : "Choose an image"} accept="image/*,.heic,.heif" testid="choose-image" onFile={(file) => onFile(file, null)} />
        {picture && <FileButton quiet label={depth ? "Another depth image" : "Add depth"} accept="image/png,.png" testid="choose-depth" onFile={onDepth} />}
        <span class="faint">
          {picture ? picture.name : "or drop it here, with a depth image (16-bit PNG with “depth” in its name) if there is one"}
          {depth && <> and {depth.name} <button type="button" class="link" onClick={() => onDepth(null)}>without it</button></>}
        </span>
      </div>
      {examples.length > 0 && (
        <div class="examples" role="group" aria-label="Photos that the training never saw">
          <span class="faint">Or one of this object's photos that its training never saw:</span>
          <div class="strip">
            {examples.map(({ photo, file }) => (
              <button key={photo} type="button" class="example" data-testid={`example-${photo}`} aria-label={`Find it in ${photo}`} onClick={() => onExample(photo, file)}>
                <ApiPicture path={thumbnailPath(id, photo, 320)} alt={photo} />
              </button>
            ))}
          </div>
        </div>
      )}
    </>
  );
}

interface FileGiven {
  label: string;
  accept: string;
  testid: string;
  quiet?: boolean;
  onFile: (file: File) => void;
}

function FileButton({ label, accept, testid, quiet, onFile }: FileGiven) {
  const take = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.files?.[0]) onFile(input.files[0]);
    input.value = ""; // so that the same file can be chosen again
  };
  return (
    <label class={quiet ? "button quiet file" : "button file"}>
      {label}
      <input type="file" class="unseen" accept={accept} data-testid={testid} onChange={take} />
    </label>
  );
}

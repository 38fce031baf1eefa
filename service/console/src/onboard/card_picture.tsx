// An object's picture: as its validation saw it, else one of its photos, else nothing.

import { useEffect, useState } from "preact/hooks";
import { api, artifact, thumbnailPath } from "../api";
import { useAsked } from "../parts/asking";
import { Picture } from "../parts/picture";
import type { ObjectRow } from "../schema";

const TILE = 320; // of the validation's sheet (surfemb/judging)

const SHEET = "validation/overlays.png";

/** `made`: names of its artifacts, undefined until they are known. */
export function CardPicture({ object, made }: { object: ObjectRow; made: string[] | undefined }) {
  const url = useValidationPicture(object, made?.includes(SHEET));
  if (url) return <img class="picture cover" src={url} alt={`${object.name}, outlined where it was found`} />;
  if (url === null && object.photos) return <PhotoOf object={object} />;
  return <span class="picture cover" aria-hidden="true" />;
}

/** The one with the box, else one from the middle of the walk: the first are often of something else. */
function PhotoOf({ object: { id, name, photos, options } }: { object: ObjectRow }) {
  const named: string | undefined = (options.box ?? options.point)?.photo;
  const { value: rows } = useAsked(() => api.photos(id), [id, photos]);
  if (!rows?.length) return <span class="picture cover" aria-hidden="true" />;
  const shown = rows.find((row) => row.photo === named) ?? rows[Math.floor(rows.length / 2)]!;
  return <Picture class="cover" path={thumbnailPath(id, shown.photo)} version={shown.sha256 ?? ""} alt={`A photo of ${name}`} />;
}

/** Null where there is none. */
function useValidationPicture({ id, updated_at }: ObjectRow, there: boolean | undefined): string | null | undefined {
  const [url, setUrl] = useState<string | null>();
  useEffect(() => {
    let [current, made] = [true, ""];
    if (there === undefined) return;
    const found = there ? firstTile(id) : Promise.resolve(null);
    found.catch(() => null).then((blob) => current && setUrl(blob && (made = URL.createObjectURL(blob))));
    return () => {
      current = false;
      URL.revokeObjectURL(made);
    };
  }, [id, there, updated_at]);
  return url;
}

async function firstTile(id: string): Promise<Blob | null> {
  const sheet = await createImageBitmap(await (await artifact(id, SHEET)).blob());
  const side = Math.min(TILE, sheet.width, sheet.height);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [side, side];
  canvas.getContext("2d")!.drawImage(sheet, 0, 0);
  sheet.close();
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
}

// Pictures made from the files at hand: nothing is asked of the service, and they are there at once. Browsers can't read every HEIC.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

const SIDE = 320;
const made = new WeakMap<File, Promise<string>>();
let last: Promise<unknown> = Promise.resolve();

/** One at a time: a phone's photo takes 50 MB while it is decoded. */
function thumbnail(file: File): Promise<string> {
  let url = made.get(file);
  if (!url) {
    url = last.then(() => shrink(file));
    last = url.catch(() => undefined);
    made.set(file, url);
  }
  return url;
}

async function shrink(file: File): Promise<string> {
  const whole = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(whole.width, whole.height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.max(1, whole.width * scale), Math.max(1, whole.height * scale)];
  canvas.getContext("2d")!.drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
  const small = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/jpeg", 0.8));
  if (!small) throw new Error("no picture");
  return URL.createObjectURL(small);
}

export function LocalThumbnail({ file, otherwise }: { file: File; otherwise: ComponentChildren }) {
  const [url, setUrl] = useState<string | null>();
  useEffect(() => {
    let current = true;
    thumbnail(file).then((url) => current && setUrl(url), () => current && setUrl(null));
    return () => void (current = false);
  }, [file]);
  if (url === null) return <>{otherwise}</>;
  return url ? <img class="picture" src={url} alt="" /> : <span class="blank" />;
}

/** The whole file as a picture, as long as it is shown. */
export function useFileUrl(file: File | undefined): string | undefined {
  const [shown, setShown] = useState<{ file: File; url: string }>();
  useEffect(() => {
    if (!file) return;
    const url = URL.createObjectURL(file);
    setShown({ file, url });
    return () => URL.revokeObjectURL(url);
  }, [file]);
  return shown?.file === file ? shown?.url : undefined;
}

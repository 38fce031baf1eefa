// Cameras that were typed in, by the size of their images: the next image of that size is mostly from the same one.

import type { Size, Typed } from "./question";

export type TypedCamera = Pick<Typed, "k" | "lens">;

const key = ({ width, height }: Size) => `snap6d.camera.${width}x${height}`;

export function rememberCamera(size: Size, { k, lens }: TypedCamera): void {
  try {
    localStorage.setItem(key(size), JSON.stringify({ k, lens }));
  } catch {
    // a full or forbidden storage costs typing it again
  }
}

export function rememberedCamera(size: Size): TypedCamera | null {
  try {
    const found = JSON.parse(localStorage.getItem(key(size)) ?? "null");
    return Array.isArray(found?.k) && found.k.length === 4 && typeof found.lens === "string" ? found : null;
  } catch {
    return null;
  }
}

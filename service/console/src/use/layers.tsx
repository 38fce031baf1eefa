// A part of an image, what is drawn over it by pixels, and what is drawn over that by lines.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

/** In the image's pixels, whose centres are whole numbers: the first one's is (0, 0), so the image begins at (-0.5, -0.5). */
export interface Part {
  x0: number;
  y0: number;
  width: number;
  height: number;
}

interface Shown {
  part: Part;
  /** Of the whole image, `imageWidth` of whose pixels it shows. */
  photo?: ImageBitmap | null;
  imageWidth: number;
  /** Draws over the photo, anew whenever it is another function. */
  paint?: (canvas: HTMLCanvasElement) => void;
  opacity?: number;
  label: string;
  testid: string;
  /** SVG in the image's pixels. */
  children?: ComponentChildren;
}

export function Layers({ part, photo, imageWidth, paint, opacity = 1, label, testid, children }: Shown) {
  const frame = useRef<HTMLDivElement>(null);
  const [under, over] = [useRef<HTMLCanvasElement>(null), useRef<HTMLCanvasElement>(null)];
  const width = useWidth(frame);
  useEffect(() => {
    const canvas = under.current;
    if (!canvas || !width) return;
    fitted(canvas, part, width);
    if (photo) drawPart(canvas, photo, photo.width / imageWidth, part);
  }, [photo, width, ...key(part)]);
  useEffect(() => {
    const canvas = over.current;
    if (!canvas || !width) return;
    fitted(canvas, part, width);
    paint?.(canvas);
  }, [paint, width, ...key(part)]);
  return (
    <div class="layers" ref={frame} style={{ aspectRatio: `${part.width} / ${part.height}` }} role="img" aria-label={label} data-testid={testid}>
      <canvas ref={under} aria-hidden="true" />
      <canvas ref={over} aria-hidden="true" data-testid={`${testid}-mesh`} style={{ opacity }} />
      <svg viewBox={`${part.x0 - 0.5} ${part.y0 - 0.5} ${part.width} ${part.height}`} preserveAspectRatio="none" aria-hidden="true">
        {children}
      </svg>
    </div>
  );
}

const key = ({ x0, y0, width, height }: Part) => [x0, y0, width, height];

/** As many pixels as the screen has for it. Clears what is there. */
function fitted(canvas: HTMLCanvasElement, part: Part, width: number): void {
  canvas.width = Math.max(1, Math.round(width * devicePixelRatio));
  canvas.height = Math.max(1, Math.round((canvas.width * part.height) / part.width));
}

function drawPart(canvas: HTMLCanvasElement, photo: ImageBitmap, scale: number, { x0, y0, width, height }: Part): void {
  const context = canvas.getContext("2d")!;
  context.imageSmoothingQuality = "high";
  context.drawImage(photo, scale * x0, scale * y0, scale * width, scale * height, 0, 0, canvas.width, canvas.height);
}

function useWidth(frame: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    watch.observe(frame.current!);
    return () => watch.disconnect();
  }, []);
  return width;
}

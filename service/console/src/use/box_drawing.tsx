// The image of a question, and the box that is drawn on it.

import { useRef, useState } from "preact/hooks";
import { Layers } from "./layers";
import { type Box, numbers, type Size } from "./question";

interface Given {
  bitmap: ImageBitmap;
  size: Size;
  name: string;
  /** As it is typed. */
  box: string;
  onBox: (box: string) => void;
}

export function BoxDrawing({ bitmap, size, name, box, onBox }: Given) {
  const [drawing, setDrawing] = useState(false);
  const start = useRef<[number, number] | null>(null);
  const area = useRef<SVGRectElement>(null);
  const found = numbers(box);
  const shown = found?.length === 4 ? (found as unknown as Box) : null;
  const pixel = (event: PointerEvent): [number, number] => {
    const { left, top, width, height } = area.current!.getBoundingClientRect();
    const within = (share: number, size: number) => Math.round(Math.min(Math.max(share, 0), 1) * size - 0.5);
    return [within((event.clientX - left) / width, size.width), within((event.clientY - top) / height, size.height)];
  };
  const begin = (event: PointerEvent) => {
    if (!drawing) return;
    area.current!.setPointerCapture(event.pointerId);
    start.current = pixel(event);
  };
  const move = (event: PointerEvent) => {
    if (!start.current) return;
    const [[a, b], [c, d]] = [start.current, pixel(event)];
    onBox([Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)].join(", "));
  };
  const end = () => {
    if (start.current) setDrawing(false);
    start.current = null;
  };
  return (
    <div class="box-drawing">
      <Layers part={{ x0: 0, y0: 0, ...size }} photo={bitmap} imageWidth={size.width} label={`${name}, ${size.width} × ${size.height}`} testid="question-image">
        {shown && <rect class="drawn" x={shown[0]} y={shown[1]} width={Math.max(0, shown[2] - shown[0])} height={Math.max(0, shown[3] - shown[1])} />}
        <rect
          ref={area}
          class={drawing ? "area drawing" : "area"}
          x="-0.5" y="-0.5" width={size.width} height={size.height}
          onPointerDown={begin} onPointerMove={move} onPointerUp={end} onPointerCancel={end}
        />
      </Layers>
      <div class="tools">
        <button type="button" class="tool" aria-pressed={drawing} onClick={() => setDrawing(!drawing)}>
          {drawing ? "Drag over the object" : "Draw a box"}
        </button>
        {box && <button type="button" class="tool" onClick={() => onBox("")}>No box</button>}
        <small class="faint">{size.width} × {size.height} px. A box takes a quarter of the time.</small>
      </div>
    </div>
  );
}

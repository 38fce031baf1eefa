// Points on a picture, in its own pixels: set and dragged by pointer, moved by arrow keys, typed as numbers.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Px } from "./forms";
import { Handle, type Mode, Shape } from "./marks";

interface Props {
  url: string;
  alt: string;
  mode: Mode;
  points: Px[];
  names: string[];
  onPoints: (points: Px[]) => void;
  onBroken: () => void;
}

const GRAB_PX = 24;
const SMALLEST_PX = 4;

export function Marker({ url, alt, mode, points, names, onPoints, onBroken }: Props) {
  const [size, setSize] = useState<{ url: string; width: number; height: number }>();
  const measure = ({ naturalWidth: width, naturalHeight: height }: HTMLImageElement) => setSize({ url, width, height });
  const [figure, begun] = [useRef<HTMLElement>(null), useRef(false)];
  useEffect(() => {
    if (begun.current && points.length) figure.current?.querySelector<SVGElement>(".handle")?.focus(); // the button that began is gone
    begun.current = false;
  }, [points.length]);
  return (
    <figure class="marker" ref={figure}>
      <div class="canvas">
        <img src={url} alt={alt} onLoad={(event) => measure(event.currentTarget)} onError={onBroken} />
        {size?.url === url && <Overlay width={size.width} height={size.height} {...{ mode, points, names, onPoints }} />}
      </div>
      {size?.url === url && <Fields width={size.width} height={size.height} {...{ mode, points, names, onPoints }} onBegin={() => (begun.current = true)} />}
    </figure>
  );
}

type OverlayProps = Pick<Props, "mode" | "points" | "names" | "onPoints"> & { width: number; height: number };

function Overlay({ width, height, mode, points, names, onPoints }: OverlayProps) {
  const drag = useRef({ handle: -1, before: points });
  const latest = useRef(points); // keys and pointers may be faster than what is drawn
  latest.current = points;
  const put = (index: number, to: Px) => set(latest.current.with(index, within(to, width, height)));
  const set = (next: Px[]) => onPoints((latest.current = next));
  const pixel = (event: PointerEvent): Px => {
    const frame = (event.currentTarget as Element).getBoundingClientRect();
    return within([((event.clientX - frame.left) / frame.width) * width - 0.5, ((event.clientY - frame.top) / frame.height) * height - 0.5], width, height);
  };
  const perPx = (event: PointerEvent) => width / (event.currentTarget as Element).getBoundingClientRect().width;
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    const { handle, after } = grab(mode, latest.current, pixel(event), GRAB_PX * perPx(event));
    drag.current = { handle, before: latest.current };
    set(after);
  };
  const move = (event: PointerEvent) => drag.current.handle >= 0 && put(drag.current.handle, pixel(event));
  const up = (event: PointerEvent) => {
    if (drag.current.handle >= 0 && mode === "box" && isTiny(latest.current, SMALLEST_PX * perPx(event))) set(drag.current.before);
    drag.current.handle = -1;
  };
  return (
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" data-testid="marker" onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={up}>
      <Shape mode={mode} points={points} width={width} height={height} />
      {points.map((point, index) => (
        <Handle key={index} name={names[index]!} at={point} width={width} onMove={([dx, dy]) => put(index, [latest.current[index]![0] + dx, latest.current[index]![1] + dy])} />
      ))}
    </svg>
  );
}

/** Which point the pointer has hold of; a new one where none is near. */
function grab(mode: Mode, points: Px[], at: Px, near: number): { handle: number; after: Px[] } {
  const distances = points.map((point) => Math.hypot(point[0] - at[0], point[1] - at[1]));
  const nearest = distances.indexOf(Math.min(...distances));
  if (nearest >= 0 && distances[nearest]! <= near) return { handle: nearest, after: points };
  if (mode === "box") return { handle: 1, after: [at, at] };
  if (mode === "point") return { handle: 0, after: [at] };
  if (points.length < 2) return { handle: points.length, after: [...points, at] };
  return { handle: nearest, after: points.with(nearest, at) };
}

function Fields({ width, height, mode, points, names, onPoints, onBegin }: OverlayProps & { onBegin: () => void }) {
  if (points.length < (mode === "point" ? 1 : 2)) {
    const shares = mode === "point" ? [0.5] : [0.3, 0.7];
    const begin = () => {
      onBegin();
      onPoints(shares.map((share) => within([share * width, share * height], width, height)));
    };
    return <button type="button" class="quiet" onClick={begin}>Begin in the middle</button>;
  }
  return (
    <div class="pixels">
      {points.map((point, index) => (
        <fieldset key={index}>
          <legend>{names[index]}</legend>
          {(["x", "y"] as const).map((axis, dimension) => (
            <label key={axis}>
              {axis}
              <input
                type="number"
                step="any"
                min={0}
                max={(dimension ? height : width) - 1}
                value={point[dimension]}
                onChange={(event) => onPoints(points.with(index, within(point.with(dimension, event.currentTarget.valueAsNumber || 0) as Px, width, height)))}
              />
            </label>
          ))}
        </fieldset>
      ))}
      <p class="faint">Pixels of the upright photo. Arrow keys move a point that has the focus, with Shift by single pixels.</p>
    </div>
  );
}

const isTiny = ([a, b]: Px[], least: number) => !a || !b || Math.abs(a[0] - b[0]) < least || Math.abs(a[1] - b[1]) < least;

const within = ([x, y]: Px, width: number, height: number): Px => [tenths(clamp(x, width - 1)), tenths(clamp(y, height - 1))];

const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);

const tenths = (value: number) => Math.round(10 * value) / 10;

// What is drawn over the picture. Lines are as thick as on the screen, whatever the picture's size.

import type { Px } from "./forms";

export type Mode = "box" | "point" | "ends";

export function Shape({ mode, points: [a, b], width, height }: { mode: Mode; points: Px[]; width: number; height: number }) {
  if (!a || !b) return null;
  if (mode === "ends") return <path class="mark" d={`M${corner(a)} L${corner(b)}`} />;
  const box = `M${corner(a)} H${b[0] + 0.5} V${b[1] + 0.5} H${a[0] + 0.5} Z`;
  return (
    <>
      <path class="shade" fill-rule="evenodd" d={`M0 0 H${width} V${height} H0 Z ${box}`} />
      <path class="mark" d={box} />
    </>
  );
}

interface Props {
  name: string;
  at: Px;
  width: number;
  /** By so many pixels. */
  onMove: (by: Px) => void;
}

const ARROWS: Record<string, Px> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function Handle({ name, at, width, onMove }: Props) {
  const key = (event: KeyboardEvent) => {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    const step = event.shiftKey ? 1 : Math.max(1, width / 100);
    onMove([step * way[0], step * way[1]]);
  };
  const spot = `M${corner(at)} h0`;
  return (
    <g
      class="handle"
      role="slider"
      tabindex={0}
      aria-label={name}
      aria-valuenow={at[0]}
      aria-valuemin={0}
      aria-valuemax={width - 1}
      aria-valuetext={`x ${at[0]}, y ${at[1]}`}
      onKeyDown={key}
    >
      <path class="rim" d={spot} />
      <path class="spot" d={spot} />
    </g>
  );
}

/** The centre of the first pixel is (0, 0), half a pixel off the picture's corner. */
const corner = ([x, y]: Px) => `${x + 0.5} ${y + 0.5}`;

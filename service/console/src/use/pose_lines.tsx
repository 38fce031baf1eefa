// A pose by lines over its photo: the object's box and axes, and where its other instances are.

import type { Box3 } from "three";
import { AXIS_COLORS } from "../space/measures";
import { type Pinhole, project } from "../space/pinhole";
import type { Pose } from "../schema";

type Point = readonly [number, number, number];
const STEPS = 12; // a lens bends straight edges

export function PoseAxes({ camera, pose, length }: { camera: Pinhole; pose: Pose; length: number }) {
  const ends: [keyof typeof AXIS_COLORS, Point][] = [["x", [length, 0, 0]], ["y", [0, length, 0]], ["z", [0, 0, length]]];
  return (
    <g class="pose-axes">
      {ends.map(([name, end]) => {
        const tip = project(camera, inCamera(pose, end));
        return (
          <g key={name}>
            <path d={edge(camera, pose, [0, 0, 0], end)} stroke={AXIS_COLORS[name]} />
            {tip && <circle cx={tip[0]} cy={tip[1]} r={camera.width / 200} fill={AXIS_COLORS[name]} />}
          </g>
        );
      })}
    </g>
  );
}

export function PoseBox({ camera, pose, box }: { camera: Pinhole; pose: Pose; box: Box3 }) {
  const corner = (i: number): Point => [(i & 1 ? box.max : box.min).x, (i & 2 ? box.max : box.min).y, (i & 4 ? box.max : box.min).z];
  const edges = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [1, 2, 4].filter((bit) => !(i & bit)).map((bit) => edge(camera, pose, corner(i), corner(i | bit))));
  return (
    <g class="pose-box">
      <path class="under" d={edges.join("")} />
      <path d={edges.join("")} />
    </g>
  );
}

function edge(camera: Pinhole, pose: Pose, from: Point, to: Point): string {
  const along = Array.from({ length: STEPS + 1 }, (_, i) => from.map((value, axis) => value + (i / STEPS) * (to[axis]! - value)) as unknown as Point);
  const pixels = along.flatMap((point) => project(camera, inCamera(pose, point)) ?? []);
  return pixels.length < 4 ? "" : pixels.map((value, i) => (i % 2 ? value.toFixed(2) : `${i ? "L" : "M"}${value.toFixed(2)} `)).join("");
}

function inCamera({ R, t }: Pose, [x, y, z]: Point): [number, number, number] {
  return [0, 1, 2].map((row) => R[3 * row]! * x + R[3 * row + 1]! * y + R[3 * row + 2]! * z + t[row]!) as [number, number, number];
}

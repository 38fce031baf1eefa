// A photo's camera, as reconstruction/scene/camera.py has it: the centre of the first pixel is (0, 0), x right, y down, z forward.

import { Matrix4 } from "three";

export interface Pinhole {
  width: number;
  height: number;
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  /** OpenCV's k1, k2, p1, p2, k3; empty is none. */
  lens: readonly number[];
}

/** `k`: nine numbers, row by row. */
export function pinhole(width: number, height: number, k: readonly number[], lens: readonly number[] = []): Pinhole {
  const [fx = 1, , cx = 0, , fy = 1, cy = 0] = k;
  return { width, height, fx, fy, cx, cy, lens };
}

/** The camera of the part of the image that starts at pixel (x0, y0). */
export function cropped(camera: Pinhole, x0: number, y0: number, width: number, height: number): Pinhole {
  return { ...camera, width, height, cx: camera.cx - x0, cy: camera.cy - y0 };
}

/** From OpenGL's camera frame (y up, z backward) to its clip space, so that pixel (u, v) is drawn where the image shows it. */
export function projection({ width, height, fx, fy, cx, cy }: Pinhole, near: number, far: number): Matrix4 {
  const [a, b] = [-(far + near) / (far - near), (-2 * far * near) / (far - near)];
  return new Matrix4().set(
    (2 * fx) / width, 0, 1 - (2 * cx + 1) / width, 0,
    0, (2 * fy) / height, (2 * cy + 1) / height - 1, 0,
    0, 0, a, b,
    0, 0, -1, 0,
  ); // prettier-ignore
}

/** OpenGL's camera from the object: `x_cam = R x + t` of a pose, y and z turned around. */
export function glFromObject(R: readonly number[], t: readonly number[]): Matrix4 {
  const [a, b, c, d, e, f, g, h, i] = R as [number, number, number, number, number, number, number, number, number];
  const [x, y, z] = t as [number, number, number];
  return new Matrix4().set(a, b, c, x, -d, -e, -f, -y, -g, -h, -i, -z, 0, 0, 0, 1);
}

/** Pixel of a point in the camera frame (OpenCV), lens and all; null behind the camera. */
export function project(camera: Pinhole, [x, y, z]: readonly [number, number, number]): [number, number] | null {
  if (z <= 1e-9) return null;
  const [k1 = 0, k2 = 0, p1 = 0, p2 = 0, k3 = 0] = camera.lens;
  const [a, b] = [x / z, y / z];
  const r2 = a * a + b * b;
  const near = Math.min(r2, foldsAt(camera.lens));
  const radial = 1 + near * (k1 + near * (k2 + near * k3));
  return [
    camera.fx * (a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)) + camera.cx,
    camera.fy * (b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b) + camera.cy,
  ];
}

/** The squared radius from which on a lens's polynomial would fold the image back onto itself: it means nothing there. */
export function foldsAt(lens: readonly number[]): number {
  const [k1 = 0, k2 = 0, , , k3 = 0] = lens;
  for (let r2 = 0.01; r2 < 25; r2 += 0.01) if (1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3)) <= 0) return r2;
  return 25;
}

/** The same as `project` for a vertex shader: where a lens shows a point of OpenGL's camera frame, for the pinhole's projection. */
export const BEND = /* glsl */ `
uniform float lens[5];
uniform float foldsAt;
vec4 bend(vec4 point) {
  vec2 a = vec2(point.x, -point.y) / -point.z;
  float r2 = dot(a, a), near = min(r2, foldsAt);
  float radial = 1.0 + near * (lens[0] + near * (lens[1] + near * lens[4]));
  vec2 along = vec2(2.0 * lens[2] * a.x * a.y + lens[3] * (r2 + 2.0 * a.x * a.x), lens[2] * (r2 + 2.0 * a.y * a.y) + 2.0 * lens[3] * a.x * a.y);
  vec2 bent = a * radial + along;
  return vec4(bent.x * -point.z, bent.y * point.z, point.z, 1.0);
}
`;

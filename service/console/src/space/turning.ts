// A stage's camera moved by other means than a pointer.

import { MathUtils, Vector3 } from "three";
import type { Stage } from "./stage";

const STEEPEST = 0.05; // radians from straight above or below: beyond it there is no right and left

/** By radians to the right around what it looks at, and up. */
export function turn({ camera, controls }: Stage, right: number, up: number) {
  const offset = camera.position.clone().sub(controls.target);
  const height = offset.angleTo(camera.up);
  offset.applyAxisAngle(camera.up, right);
  const side = new Vector3().crossVectors(camera.up, offset).normalize();
  offset.applyAxisAngle(side, MathUtils.clamp(height - up, STEEPEST, Math.PI - STEEPEST) - height);
  camera.position.copy(controls.target).add(offset);
  controls.update();
}

/** Above 1: nearer. */
export function zoom({ camera, controls }: Stage, factor: number) {
  camera.position.sub(controls.target).divideScalar(factor).add(controls.target);
  controls.update();
}

// What tells a model's size and frame: a box with its lengths written on it, and axes at the origin.

import {
  ArrowHelper, Box3, Box3Helper, type BufferGeometry, CanvasTexture, Color, Group, type Material, type Object3D, type PerspectiveCamera, Sprite, SpriteMaterial,
  SRGBColorSpace, Vector3,
} from "three";

export const AXIS_COLORS = { x: "#e5484d", y: "#30a46c", z: "#3e7bfa" } as const;
const AXES = ["x", "y", "z"] as const;
const BESIDE = 0.18; // of the way from the middle to the edge

export interface Ruler {
  readonly shown: Object3D;
  /** Puts the lengths where they hide nothing, seen from the camera. */
  arrange: (camera: PerspectiveCamera) => void;
}

/** `lengths`: what to write along x, y and z. */
export function makeRuler(geometry: BufferGeometry, lengths: readonly string[], ink: string): Ruler {
  const box = geometry.boundingBox!;
  const shown = new Group();
  shown.add(new Box3Helper(box, new Color(ink)));
  const labels = lengths.map((text) => label(text, ink));
  shown.add(...labels);
  const arrange = (camera: PerspectiveCamera) => labels.forEach((one, axis) => one.position.copy(outermost(box, axis, shown, camera)));
  return { shown, arrange };
}

/** Beside the middle of that edge along the axis which lies farthest from the box's middle on the screen; of equals the lower one. */
function outermost(box: Box3, axis: number, frame: Object3D, camera: PerspectiveCamera): Vector3 {
  const middle = box.getCenter(new Vector3());
  const [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
  const onScreen = (point: Vector3) => frame.localToWorld(point.clone()).project(camera);
  const center = onScreen(middle);
  let [best, farthest] = [middle, -Infinity];
  for (const edge of [0, 1, 2, 3]) {
    const point = middle.clone();
    point.setComponent(a, (edge & 1 ? box.max : box.min).getComponent(a)).setComponent(b, (edge & 2 ? box.max : box.min).getComponent(b));
    const seen = onScreen(point);
    const distance = Math.hypot((seen.x - center.x) * camera.aspect, seen.y - center.y) - 0.2 * (seen.y - center.y);
    if (distance > farthest) [best, farthest] = [point, distance];
  }
  return best.lerp(middle, -BESIDE);
}

/** Arrows of `length` along x, y and z, with their names. */
export function makeAxes(length: number): Object3D {
  const shown = new Group();
  for (const [i, name] of AXES.entries()) {
    const direction = new Vector3().setComponent(i, 1);
    const arrow = new ArrowHelper(direction, new Vector3(), length, AXIS_COLORS[name], 0.14 * length, 0.07 * length);
    for (const part of [arrow.line, arrow.cone]) [(part.material as Material).depthTest, part.renderOrder] = [false, 2];
    const letter = label(name, AXIS_COLORS[name]);
    letter.position.copy(direction).multiplyScalar(1.12 * length);
    shown.add(arrow, letter);
  }
  return shown;
}

/** Text of the same size wherever it stands, in front of everything. */
function label(text: string, ink: string): Sprite {
  const [canvas, size] = [document.createElement("canvas"), 44];
  const context = canvas.getContext("2d")!;
  const font = `600 ${size}px system-ui, sans-serif`;
  context.font = font;
  canvas.width = Math.ceil(context.measureText(text).width) + 24;
  canvas.height = size + 20;
  context.font = font;
  context.textBaseline = "middle";
  context.lineWidth = 8;
  context.lineJoin = "round";
  context.strokeStyle = luminous(ink) ? "#16181b" : "#ffffff";
  context.strokeText(text, 12, canvas.height / 2 + 2);
  context.fillStyle = ink;
  context.fillText(text, 12, canvas.height / 2 + 2);
  const map = new CanvasTexture(canvas);
  map.colorSpace = SRGBColorSpace;
  const sprite = new Sprite(new SpriteMaterial({ map, sizeAttenuation: false, depthTest: false }));
  sprite.scale.set((0.07 * canvas.width) / canvas.height, 0.07, 1).multiplyScalar(0.7);
  sprite.renderOrder = 2;
  return sprite;
}

function luminous(color: string): boolean {
  const { r, g, b } = new Color(color);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.35;
}

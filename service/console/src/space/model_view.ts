// A model to look at from all sides: it turns by itself until somebody else turns it.

import { type BufferGeometry, DoubleSide, Group, type Material, Mesh, MeshLambertMaterial, MeshBasicMaterial, type Object3D } from "three";
import { makeAxes, makeRuler } from "./measures";
import { GLB_FROM_OBJECT } from "./model";
import { openStage } from "./stage";

export interface Showing {
  axes: boolean;
  ruler: boolean;
  wireframe: boolean;
  turning: boolean;
}

export interface ModelView {
  show: (what: Showing) => void;
  /** By radians, around and up. */
  turn: (around: number, up: number) => void;
  /** Above 1 nearer, below 1 farther. */
  zoom: (by: number) => void;
  close: () => void;
}

const TURN_SPEED = 1.2; // 50 s a round
const STEP_MS = 1000 / 30; // as smooth as it has to be; a whole round costs a laptop's software renderer much

/** `lengths`: of the mesh along x, y and z, in words. `onTouch`: somebody turns it now. Throws where the browser has no WebGL. */
export function openModelView(canvas: HTMLCanvasElement, geometry: BufferGeometry, lengths: readonly string[], onTouch: () => void): ModelView {
  const stage = openStage(canvas);
  const { controls, camera } = stage;
  const ink = getComputedStyle(canvas).color;
  const solid = new MeshLambertMaterial({ vertexColors: geometry.hasAttribute("color"), side: DoubleSide });
  const wires = new MeshBasicMaterial({ color: ink, wireframe: true });
  const mesh = new Mesh<BufferGeometry, Material>(geometry, solid);
  const upright = new Group(); // the object's frame, its z up
  const ruler = makeRuler(geometry, lengths, ink);
  const axes: Object3D = makeAxes(0.75 * geometry.boundingSphere!.radius);
  upright.applyMatrix4(GLB_FROM_OBJECT);
  upright.add(mesh, ruler.shown, axes);
  stage.scene.add(upright);
  stage.fit(mesh);
  [controls.autoRotateSpeed, controls.enablePan] = [TURN_SPEED, false];
  [controls.minDistance, controls.maxDistance] = [1.2 * geometry.boundingSphere!.radius, 12 * geometry.boundingSphere!.radius];
  letThePageScroll(canvas, controls);
  const arrange = () => ruler.shown.visible && ruler.arrange(camera);
  controls.addEventListener("change", arrange);
  controls.addEventListener("start", onTouch);
  const shaped = new ResizeObserver(() => (arrange(), stage.draw()));
  shaped.observe(canvas);
  const timer = setInterval(() => controls.autoRotate && document.visibilityState === "visible" && controls.update(STEP_MS / 1000), STEP_MS);

  const show = (what: Showing) => {
    controls.autoRotate = what.turning;
    [axes.visible, ruler.shown.visible] = [what.axes, what.ruler];
    mesh.material = what.wireframe ? wires : solid;
    arrange();
    stage.draw();
  };
  const close = () => {
    clearInterval(timer);
    shaped.disconnect();
    [solid, wires].forEach((one) => one.dispose());
    stage.close();
  };
  const turn = (around: number, up: number) => (controls.rotateLeft(around), controls.rotateUp(up));
  const zoom = (by: number) => controls.dollyIn(1 / by);
  return { show, turn, zoom, close };
}

/** A wheel scrolls the page until the model has been clicked; a finger that goes up or down scrolls it always. */
function letThePageScroll(canvas: HTMLCanvasElement, controls: { enableZoom: boolean }): void {
  canvas.style.touchAction = "pan-y";
  controls.enableZoom = false;
  canvas.addEventListener("pointerdown", () => (controls.enableZoom = true), { capture: true });
  canvas.addEventListener("blur", () => (controls.enableZoom = false));
}

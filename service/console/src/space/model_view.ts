// A model on a stage, to look at from all sides: it turns by itself until somebody else turns it.

import { type BufferGeometry, DoubleSide, Group, type Material, Mesh, MeshBasicMaterial, MeshLambertMaterial } from "three";
import { makeAxes, makeRuler } from "./measures";
import { GLB_FROM_OBJECT } from "./model";
import type { Stage } from "./stage";
import { zoom } from "./turning";

export interface Showing {
  axes: boolean;
  ruler: boolean;
  wireframe: boolean;
  turning: boolean;
}

export interface ModelView {
  show: (what: Showing) => void;
  close: () => void;
}

const TURN_SPEED = 1.2; // 50 s a round
const STEP_MS = 1000 / 30; // as smooth as it has to be: a software renderer draws every one of them

/** `lengths`: of the mesh along x, y and z, in words. */
export function placeModel(stage: Stage, canvas: HTMLCanvasElement, geometry: BufferGeometry, lengths: readonly string[]): ModelView {
  const { controls, camera } = stage;
  const ink = getComputedStyle(canvas).color;
  const solid = new MeshLambertMaterial({ vertexColors: geometry.hasAttribute("color"), side: DoubleSide });
  const wires = new MeshBasicMaterial({ color: ink, wireframe: true });
  const mesh = new Mesh<BufferGeometry, Material>(geometry, solid);
  const { radius } = geometry.boundingSphere!;
  const [ruler, axes] = [makeRuler(geometry, lengths, ink), makeAxes(0.75 * radius)];
  const upright = new Group(); // the object's frame, its z up
  upright.applyMatrix4(GLB_FROM_OBJECT);
  upright.add(mesh, ruler.shown, axes);
  stage.scene.add(upright);
  stage.fit(mesh);
  zoom(stage, 1.15); // wide as it is, it has room
  controls.autoRotateSpeed = TURN_SPEED;
  controls.enablePan = false;
  [controls.minDistance, controls.maxDistance] = [1.2 * radius, 12 * radius];

  const arrange = () => ruler.shown.visible && ruler.arrange(camera);
  const shaped = new ResizeObserver(() => (arrange(), stage.draw()));
  controls.addEventListener("change", arrange);
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
    controls.removeEventListener("change", arrange);
    stage.scene.remove(upright);
    [solid, wires].forEach((one) => one.dispose());
  };
  return { show, close };
}

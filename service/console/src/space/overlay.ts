// A mesh as a camera would see it in a pose: drawn onto canvases that lie over the photo.

import {
  AmbientLight, type BufferGeometry, Camera, DirectionalLight, DoubleSide, type Material, Mesh, MeshBasicMaterial, MeshLambertMaterial,
  Scene, WebGLRenderer,
} from "three";
import { BEND, foldsAt, glFromObject, type Pinhole, projection } from "./pinhole";

export const LOOKS = ["solid", "wireframe", "outline"] as const;
export type Look = (typeof LOOKS)[number];
export interface Placed {
  R: readonly number[];
  t: readonly number[];
}

const INK = "#00e0c6"; // rare in photos, and far from most of what is in them in lightness or hue
const OUTLINE_PX = 2;

export interface Overlay {
  /** Draws the mesh as `camera` sees it in its pose, filling the canvas; what was there is gone. */
  draw: (target: HTMLCanvasElement, camera: Pinhole, pose: Placed, look: Look) => void;
  close: () => void;
}

/** Throws where the browser has no WebGL. */
export function openOverlay(geometry: BufferGeometry): Overlay {
  const renderer = new WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true });
  const lens = { lens: { value: [0, 0, 0, 0, 0] }, foldsAt: { value: 25 } };
  const bent = <M extends Material>(material: M): M => bend(material, lens);
  const materials = {
    solid: bent(new MeshLambertMaterial({ vertexColors: geometry.hasAttribute("color"), side: DoubleSide })),
    flat: bent(new MeshBasicMaterial({ color: INK, side: DoubleSide })),
    lines: bent(new MeshBasicMaterial({ color: INK, wireframe: true, transparent: true, opacity: 0.5 })),
    depthOnly: bent(new MeshBasicMaterial({ colorWrite: false, side: DoubleSide, polygonOffset: true, polygonOffsetFactor: 1, polygonOffsetUnits: 1 })),
  };
  const [scene, front, behind, camera] = [new Scene(), new Mesh(geometry), new Mesh(geometry, materials.depthOnly), new Camera()];
  front.frustumCulled = behind.frustumCulled = false; // a lens may show what a pinhole would not
  front.matrixAutoUpdate = behind.matrixAutoUpdate = false;
  front.renderOrder = 1;
  const lamp = new DirectionalLight(0xffffff, 1.8);
  lamp.position.set(-0.3, 0.5, 1);
  scene.add(new AmbientLight(0xffffff, 1.6), lamp, front, behind);

  const draw = (target: HTMLCanvasElement, view: Pinhole, pose: Placed, look: Look) => {
    const place = glFromObject(pose.R, pose.t);
    const ball = geometry.boundingSphere!.clone().applyMatrix4(place);
    const [nearest, farthest] = [-ball.center.z - ball.radius, -ball.center.z + ball.radius];
    camera.projectionMatrix.copy(projection(view, Math.max(nearest, 1e-3 * ball.radius), Math.max(farthest, 2e-3 * ball.radius)));
    camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
    lens.lens.value = Array.from({ length: 5 }, (_, i) => view.lens[i] ?? 0);
    lens.foldsAt.value = foldsAt(view.lens);
    front.matrix.copy(place);
    behind.matrix.copy(place);
    behind.visible = look === "wireframe";
    front.material = { solid: materials.solid, wireframe: materials.lines, outline: materials.flat }[look];
    renderer.setSize(target.width, target.height, false);
    renderer.render(scene, camera);
    copy(renderer.domElement, target, look === "outline" ? OUTLINE_PX * devicePixelRatio : 0);
  };
  const close = () => {
    Object.values(materials).forEach((one) => one.dispose());
    renderer.dispose();
    renderer.forceContextLoss();
  };
  return { draw, close };
}

function bend<M extends Material>(material: M, uniforms: Record<string, { value: unknown }>): M {
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, uniforms);
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", `#include <common>\n${BEND}`)
      .replace("#include <project_vertex>", "#include <project_vertex>\ngl_Position = projectionMatrix * bend(mvPosition);");
  };
  return material;
}

/** With `ring`: only a line so wide around what was drawn. */
function copy(drawn: HTMLCanvasElement, target: HTMLCanvasElement, ring: number): void {
  const context = target.getContext("2d")!;
  context.clearRect(0, 0, target.width, target.height);
  if (!ring) return context.drawImage(drawn, 0, 0);
  for (let angle = 0; angle < 2 * Math.PI; angle += Math.PI / 8) context.drawImage(drawn, ring * Math.cos(angle), ring * Math.sin(angle));
  context.globalCompositeOperation = "destination-out";
  context.drawImage(drawn, 0, 0);
  context.globalCompositeOperation = "source-over";
}

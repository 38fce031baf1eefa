// The 3-D stage that every view stands on: a canvas that turns, fits its content and is drawn only when something has changed.

import { AmbientLight, Box3, DirectionalLight, type Object3D, PerspectiveCamera, Scene, Sphere, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

export interface Stage {
  readonly scene: Scene;
  readonly camera: PerspectiveCamera;
  readonly controls: OrbitControls;
  /** Draws soon. */
  draw: () => void;
  /** Turns the camera to all that the object holds; `up` is the object's. */
  fit: (content: Object3D, up?: Vector3) => void;
  close: () => void;
}

/** Throws where the browser has no WebGL. */
export function openStage(canvas: HTMLCanvasElement): Stage {
  const renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: true });
  const scene = new Scene();
  const camera = new PerspectiveCamera(40, 1, 0.01, 100);
  const controls = new OrbitControls(camera, canvas);
  const lamp = new DirectionalLight(0xffffff, 2);
  scene.add(new AmbientLight(0xffffff, 1.4), camera);
  camera.add(lamp);

  let pending = 0;
  const draw = () => {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      renderer.render(scene, camera);
    });
  };
  const resize = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    draw();
  });
  resize.observe(canvas);
  controls.addEventListener("change", draw);

  const fit = (content: Object3D, up = new Vector3(0, 1, 0)) => {
    const ball = new Box3().setFromObject(content).getBoundingSphere(new Sphere());
    const away = (1.15 * ball.radius) / Math.sin((camera.fov * Math.PI) / 360) || 1;
    const side = new Vector3(1, 0, 0).projectOnPlane(up).lengthSq() > 1e-6 ? new Vector3(1, 0, 0) : new Vector3(0, 0, 1);
    camera.up.copy(up);
    camera.position.copy(ball.center).addScaledVector(side.projectOnPlane(up).normalize(), away * 0.9).addScaledVector(up, away * 0.45);
    [camera.near, camera.far] = [away / 100, away * 20];
    camera.updateProjectionMatrix();
    controls.target.copy(ball.center);
    controls.update();
    draw();
  };
  const close = () => {
    resize.disconnect();
    controls.dispose();
    cancelAnimationFrame(pending);
    renderer.dispose();
    setTimeout(() => canvas.isConnected || renderer.forceContextLoss()); // a browser has 16; on a canvas that stays another stage may open
  };
  return { scene, camera, controls, draw, fit, close };
}

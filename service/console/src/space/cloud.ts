// The sparse cloud with the cameras that saw it, each a small frustum.

import {
  BufferAttribute, BufferGeometry, Color, DoubleSide, Group, InstancedMesh, LineBasicMaterial, LineSegments, MathUtils, Matrix4, MeshBasicMaterial, Object3D, Points,
  PointsMaterial, Quaternion, type Raycaster, SRGBColorSpace, Vector3,
} from "three";

/** sfm/cloud.json. Its frame is that of structure from motion; `up` in it, where that is known. */
export interface Cloud {
  points: [number, number, number, number, number, number][];
  cameras: { name: string; cam_from_world: { R: number[]; t: number[] }; fov_x_deg: number; aspect: number }[];
  up: [number, number, number] | null;
}

export interface CloudModel {
  /** Turned so that y is up. */
  readonly shown: Group;
  /** What a look at all of it should hold: without stray points. */
  readonly core: Object3D;
  /** The name of the camera that a ray meets first. */
  pick: (ray: Raycaster) => string | undefined;
  /** Colours of the cameras by name. */
  paint: (color: (name: string) => number) => void;
  /** A place just before the camera, out of its frustum, and a point that it looks at. */
  view: (name: string) => { from: Vector3; to: Vector3 } | undefined;
}

const UP = new Vector3(0, 1, 0);
const CORNERS = [[-1, -1], [1, -1], [1, 1], [-1, 1]] as const;
const EDGES = [0, 1, 0, 2, 0, 3, 0, 4, 1, 2, 2, 3, 3, 4, 4, 1];

export function makeCloud(cloud: Cloud): CloudModel {
  const shown = new Group();
  const poses = cloud.cameras.map(({ cam_from_world: { R, t } }) => matrix(R, t).invert());
  shown.quaternion.setFromUnitVectors(cloud.up ? new Vector3(...cloud.up).normalize() : meanUp(poses), UP);
  const middle = medianPoint(cloud.points);
  const reach = median(poses.map((pose) => new Vector3().setFromMatrixPosition(pose).distanceTo(middle))) || 1;
  const depth = 0.07 * reach;
  const bodies = frusta(cloud, poses, depth);
  const outlines = lines(bodies, cloud.cameras.length);
  shown.add(makePoints(cloud.points), bodies, outlines);
  shown.updateMatrixWorld(true);
  return { shown, core: coreOf(poses, middle, reach, shown.quaternion), ...handles(cloud, bodies, outlines), view: viewer(cloud, poses, shown, middle, depth) };
}

function handles(cloud: Cloud, bodies: InstancedMesh, outlines: LineSegments) {
  const pick = (ray: Raycaster) => cloud.cameras[ray.intersectObject(bodies)[0]?.instanceId ?? -1]?.name;
  const paint = (colorOf: (name: string) => number) => {
    const colors = outlines.geometry.getAttribute("color") as BufferAttribute;
    cloud.cameras.forEach(({ name }, i) => {
      const color = new Color(colorOf(name));
      bodies.setColorAt(i, color);
      for (let k = EDGES.length * i; k < EDGES.length * (i + 1); k++) colors.setXYZ(k, color.r, color.g, color.b);
    });
    colors.needsUpdate = true;
    bodies.instanceColor!.needsUpdate = true;
  };
  return { pick, paint };
}

function viewer(cloud: Cloud, poses: Matrix4[], shown: Group, middle: Vector3, depth: number): CloudModel["view"] {
  return (name) => {
    const pose = poses[cloud.cameras.findIndex((one) => one.name === name)];
    if (!pose) return undefined;
    const ahead = new Vector3().setFromMatrixColumn(pose, 2);
    const from = new Vector3().setFromMatrixPosition(pose).addScaledVector(ahead, 1.05 * depth);
    const to = ahead.clone().multiplyScalar(Math.max(middle.clone().sub(from).dot(ahead), 1e-3)).add(from);
    return { from: from.applyMatrix4(shown.matrixWorld), to: to.applyMatrix4(shown.matrixWorld) };
  };
}

function matrix(R: number[], t: number[]): Matrix4 {
  const [a, b, c, d, e, f, g, h, i] = R as [number, number, number, number, number, number, number, number, number];
  return new Matrix4().set(a, b, c, t[0]!, d, e, f, t[1]!, g, h, i, t[2]!, 0, 0, 0, 1);
}

/** Photos are mostly taken upright: y of a camera is down. */
function meanUp(poses: Matrix4[]): Vector3 {
  const sum = poses.reduce((up, pose) => up.sub(new Vector3().setFromMatrixColumn(pose, 1)), new Vector3());
  return sum.lengthSq() > 1e-6 ? sum.normalize() : UP.clone();
}

function makePoints(points: Cloud["points"]): Points {
  const [places, colors, color] = [new Float32Array(3 * points.length), new Float32Array(3 * points.length), new Color()];
  points.forEach(([x, y, z, r, g, b], i) => {
    places.set([x, y, z], 3 * i);
    color.setRGB(r / 255, g / 255, b / 255, SRGBColorSpace).toArray(colors, 3 * i);
  });
  const geometry = new BufferGeometry().setAttribute("position", new BufferAttribute(places, 3)).setAttribute("color", new BufferAttribute(colors, 3));
  return new Points(geometry, new PointsMaterial({ size: 2.5, sizeAttenuation: false, vertexColors: true }));
}

/** One pyramid for all: its base at depth 1 reaches from -1 to 1, each camera's lens gives it its width and height. */
function frusta(cloud: Cloud, poses: Matrix4[], depth: number): InstancedMesh {
  const corners = [0, 0, 0, ...CORNERS.flatMap(([x, y]) => [x, y, 1])];
  const geometry = new BufferGeometry().setAttribute("position", new BufferAttribute(new Float32Array(corners), 3));
  geometry.setIndex([0, 1, 2, 0, 2, 3, 0, 3, 4, 0, 4, 1, 1, 2, 3, 1, 3, 4]);
  const material = new MeshBasicMaterial({ transparent: true, opacity: 0.18, side: DoubleSide, depthWrite: false });
  const bodies = new InstancedMesh(geometry, material, poses.length);
  cloud.cameras.forEach(({ fov_x_deg, aspect }, i) => {
    const wide = depth * Math.tan(MathUtils.degToRad(fov_x_deg) / 2);
    bodies.setMatrixAt(i, poses[i]!.clone().scale(new Vector3(wide, wide / aspect, depth)));
    bodies.setColorAt(i, new Color());
  });
  bodies.computeBoundingSphere();
  return bodies;
}

function lines(bodies: InstancedMesh, count: number): LineSegments {
  const corners = bodies.geometry.getAttribute("position");
  const [places, pose, corner] = [new Float32Array(3 * EDGES.length * count), new Matrix4(), new Vector3()];
  for (let i = 0; i < count; i++) {
    bodies.getMatrixAt(i, pose);
    EDGES.forEach((end, k) => corner.fromBufferAttribute(corners, end).applyMatrix4(pose).toArray(places, 3 * (EDGES.length * i + k)));
  }
  const geometry = new BufferGeometry().setAttribute("position", new BufferAttribute(places, 3));
  geometry.setAttribute("color", new BufferAttribute(new Float32Array(places.length), 3));
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

function coreOf(poses: Matrix4[], middle: Vector3, reach: number, turned: Quaternion): Object3D {
  const near = poses.map((pose) => new Vector3().setFromMatrixPosition(pose)).filter((centre) => centre.distanceTo(middle) < 3 * reach);
  const core = new Points(new BufferGeometry().setFromPoints([...near, middle].map((point) => point.clone().applyQuaternion(turned))));
  return core;
}

function medianPoint(points: Cloud["points"]): Vector3 {
  const [x, y, z] = [0, 1, 2].map((axis) => median(points.map((point) => point[axis]!)));
  return new Vector3(x, y, z);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

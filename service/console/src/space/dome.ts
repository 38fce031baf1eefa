// The dome of directions around an object: a photo is a dot, green is near one, red is a missing side. As reconstruction/coverage draws it, in 3-D.

import {
  BufferAttribute, BufferGeometry, CanvasTexture, Color, FrontSide, Group, LineBasicMaterial, LineLoop, MathUtils, Mesh, MeshBasicMaterial, type Object3D, type Raycaster, SphereGeometry,
  Sprite, SpriteMaterial, SRGBColorSpace, Vector3,
} from "three";

export interface Direction {
  photo: string;
  azimuth_deg: number;
  elevation_deg: number;
  distance: number;
  used: boolean;
}

/** coverage.json; angles in degrees, as seen from the object: azimuth 0 at `reference`, growing to its right. */
export interface Coverage {
  reference: string;
  photos: { used: number; left_out: number };
  gaps: { from_deg: number; to_deg: number; width_deg: number; message: string }[];
  azimuth_seen_deg: number;
  elevation_deg: { lowest: number; highest: number };
  distance_sizes: { nearest: number; middle: number; farthest: number };
  neighbour_deg: { middle: number; farthest: number };
  sees_into_hollows: boolean;
  directions: Direction[];
}

const COLORS = { near: "#4f9d6b", far: "#5d5a50", gap: "#c4533a", used: "#d9f5e3", leftOut: "#f2a65a", reference: "#7fb0ff", chosen: "#ffe14d" };
const WELL_SEEN_DEG = [12, 35] as const; // from the next photo: up to the first all is well, beyond the second nothing is
const FLOOR_DEG = -15;
const GAP_UP_TO_DEG = 60;

export interface DomeModel {
  readonly shown: Group;
  /** What a look at all of it should hold: labels may stand out. */
  readonly core: Object3D;
  pick: (ray: Raycaster) => string | undefined;
  choose: (photo: string | undefined) => void;
}

export function makeDome(coverage: Coverage): DomeModel {
  const floor = Math.min(FLOOR_DEG, ...coverage.directions.map((one) => one.elevation_deg - 3));
  const dots = coverage.directions.map((one) => makeDot(one, one.photo === coverage.reference));
  const shown = new Group();
  const core = makeShell(coverage, floor);
  shown.add(core, ...[0, 30, 60].map(makeRing), ...dots, ...makeLabels(coverage.reference, floor));
  const pick = (ray: Raycaster) => ray.intersectObjects(shown.children.filter((one) => one instanceof Mesh))[0]?.object.name || undefined;
  const choose = (photo: string | undefined) => {
    for (const dot of dots) {
      dot.material.color.set(dot.name === photo ? COLORS.chosen : (dot.userData.color as string));
      dot.scale.setScalar(dot.name === photo ? 1.8 : 1);
    }
  };
  return { shown, core, pick, choose };
}

/** y up, x towards the reference photo. */
function towards(azimuth_deg: number, elevation_deg: number): Vector3 {
  const [azimuth, elevation] = [MathUtils.degToRad(azimuth_deg), MathUtils.degToRad(elevation_deg)];
  return new Vector3(Math.cos(azimuth) * Math.cos(elevation), Math.sin(elevation), -Math.sin(azimuth) * Math.cos(elevation));
}

function makeShell(coverage: Coverage, floor: number): Mesh {
  const geometry = new SphereGeometry(1, 180, 60, 0, 2 * Math.PI, 0, MathUtils.degToRad(90 - floor));
  const places = geometry.getAttribute("position");
  const used = coverage.directions.filter((one) => one.used).map((one) => towards(one.azimuth_deg, one.elevation_deg));
  const [colors, near, far, gap, place] = [new Float32Array(3 * places.count), new Color(COLORS.near), new Color(COLORS.far), new Color(COLORS.gap), new Vector3()];
  for (let i = 0; i < places.count; i++) {
    place.fromBufferAttribute(places, i);
    const nearest = MathUtils.radToDeg(Math.acos(MathUtils.clamp(Math.max(-1, ...used.map((one) => one.dot(place))), -1, 1)));
    const color = inGap(coverage, place) ? gap : near.clone().lerp(far, MathUtils.smoothstep(nearest, ...WELL_SEEN_DEG));
    color.toArray(colors, 3 * i);
  }
  geometry.setAttribute("color", new BufferAttribute(colors, 3));
  return new Mesh(geometry, new MeshBasicMaterial({ vertexColors: true, side: FrontSide }));
}

function inGap({ gaps }: Coverage, place: Vector3): boolean {
  if (MathUtils.radToDeg(Math.asin(MathUtils.clamp(place.y, -1, 1))) > GAP_UP_TO_DEG) return false;
  const azimuth = MathUtils.radToDeg(Math.atan2(-place.z, place.x));
  return gaps.some((gap) => MathUtils.euclideanModulo(azimuth - gap.from_deg, 360) < gap.width_deg);
}

function makeDot(direction: Direction, reference: boolean): Mesh<SphereGeometry, MeshBasicMaterial> {
  const color = reference ? COLORS.reference : direction.used ? COLORS.used : COLORS.leftOut;
  const dot = new Mesh(new SphereGeometry(reference ? 0.05 : 0.032, 16, 12), new MeshBasicMaterial({ color }));
  dot.position.copy(towards(direction.azimuth_deg, direction.elevation_deg)).multiplyScalar(1.015);
  dot.name = direction.photo;
  dot.userData.color = color;
  return dot;
}

function makeRing(elevation_deg: number): LineLoop {
  const points = Array.from({ length: 120 }, (_, i) => towards(3 * i, elevation_deg).multiplyScalar(1.004));
  const opacity = elevation_deg === 0 ? 0.7 : 0.3;
  return new LineLoop(new BufferGeometry().setFromPoints(points), new LineBasicMaterial({ color: 0xffffff, transparent: true, opacity }));
}

function makeLabels(reference: string, floor: number): Sprite[] {
  const texts: [number, string][] = [[0, reference], [90, "90° right"], [-90, "90° left"], [180, "far side"]];
  return texts.map(([azimuth, text]) => {
    const sprite = makeLabel(text);
    sprite.position.copy(towards(azimuth, floor).multiplyScalar(1.4));
    return sprite;
  });
}

function makeLabel(text: string): Sprite {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d")!;
  const font = "40px system-ui, sans-serif";
  context.font = font;
  [canvas.width, canvas.height] = [Math.ceil(context.measureText(text).width) + 16, 56];
  context.font = font;
  context.fillStyle = "#eceae5";
  context.textBaseline = "middle";
  context.fillText(text, 8, 28);
  const map = new CanvasTexture(canvas);
  map.colorSpace = SRGBColorSpace;
  const sprite = new Sprite(new SpriteMaterial({ map, transparent: true }));
  sprite.scale.set((0.12 * canvas.width) / canvas.height, 0.12, 1);
  return sprite;
}

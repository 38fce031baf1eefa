// How large an object came out, from the head of its mesh: a glTF says between what corners its vertices lie.

import { artifactPath, request } from "../api";

const HEAD_BYTES = 16_384;
const GLTF_HEADER = 20;

/** "97 × 163 × 175 mm"; empty where the scale is not known. Throws a Problem where there is no mesh. */
export async function sizeOf(id: string): Promise<string> {
  const report = await (await request(artifactPath(id, "report.json"))).json();
  if (report.scale?.units !== "m") return "";
  const answer = await request(artifactPath(id, "mesh.glb"), { headers: { Range: `bytes=0-${HEAD_BYTES - 1}` } });
  const corners = boundsOf(await answer.arrayBuffer());
  if (!corners) return "";
  const sides = corners.max.map((most, axis) => 1000 * (most - corners.min[axis]!));
  return `${sides.map((mm) => mm.toFixed(mm < 10 ? 1 : 0)).join(" × ")} mm`;
}

function boundsOf(head: ArrayBuffer): { min: number[]; max: number[] } | undefined {
  if (head.byteLength < GLTF_HEADER) return undefined;
  const length = new DataView(head).getUint32(12, true);
  if (GLTF_HEADER + length > head.byteLength) return undefined;
  const document = JSON.parse(new TextDecoder().decode(new Uint8Array(head, GLTF_HEADER, length)));
  return document.accessors?.[document.meshes?.[0]?.primitives?.[0]?.attributes?.POSITION];
}

// An object's mesh, in the object's own frame.

import { BufferAttribute, BufferGeometry, Color, Matrix4, Mesh } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

/** mesh.glb is y up, (x, z, -y) of the object's frame: that of mesh.ply, which poses refer to. */
export const OBJECT_FROM_GLB = new Matrix4().set(1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, 0, 0, 0, 1);
export const GLB_FROM_OBJECT = OBJECT_FROM_GLB.clone().invert();

/** The mesh of a GLB file in the object's frame, with its vertex colours. Throws where it holds none. */
export async function readModel(glb: ArrayBuffer): Promise<BufferGeometry> {
  const { scene } = await new GLTFLoader().parseAsync(glb, "");
  scene.updateMatrixWorld(true);
  const mesh = scene.getObjectsByProperty("isMesh", true)[0] as Mesh<BufferGeometry> | undefined;
  if (!mesh) throw new Error("mesh.glb holds no mesh");
  const geometry = mesh.geometry.applyMatrix4(new Matrix4().multiplyMatrices(OBJECT_FROM_GLB, mesh.matrixWorld));
  if (!geometry.hasAttribute("normal")) geometry.computeVertexNormals();
  if (geometry.hasAttribute("color")) geometry.setAttribute("color", linear(geometry.getAttribute("color") as BufferAttribute));
  geometry.computeBoundingBox();
  geometry.computeBoundingSphere();
  return geometry;
}

/** Photos' colours are written as they are seen (sRGB); what is lit has to be linear. */
function linear(seen: BufferAttribute): BufferAttribute {
  const out = new BufferAttribute(new Float32Array(3 * seen.count), 3);
  const color = new Color();
  for (let i = 0; i < seen.count; i++) {
    color.setRGB(seen.getX(i), seen.getY(i), seen.getZ(i)).convertSRGBToLinear();
    out.setXYZ(i, color.r, color.g, color.b);
  }
  return out;
}

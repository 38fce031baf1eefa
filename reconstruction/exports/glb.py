"""Binary glTF with a texture: its colours are right in whatever opens it. A texture is sRGB; colours at vertices would be linear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from reconstruction.exports.atlas import Atlas
from reconstruction.scene.mesh import y_up


def write_glb(path: Path, atlas: Atlas, picture: UInt8[ndarray, "px px 3"]) -> None:
    """In the units of the mesh, y up. Vertices are doubled along seams, their normals are not."""
    place = np.zeros(len(atlas.corners), np.int64)
    place[atlas.faces] = atlas.mesh.faces
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.fromarray(picture), metallicFactor=0.0, roughnessFactor=1.0)
    out = trimesh.Trimesh(
        y_up(atlas.mesh.vertices[place]),
        atlas.faces,
        vertex_normals=y_up(atlas.mesh.vertex_normals[place]),
        visual=trimesh.visual.TextureVisuals(uv=atlas.uv, material=material),
        process=False,
    )
    path.write_bytes(out.export(file_type="glb", include_normals=True))

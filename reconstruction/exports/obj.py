"""Wavefront OBJ with a material and a texture: the format that everything reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.exports.atlas import Atlas
from reconstruction.scene.images import write_photo

_MATERIAL = """\
newmtl surface
Ka 1 1 1
Kd 1 1 1
Ks 0 0 0
illum 1
map_Kd {picture}
"""


def write_obj(path: Path, atlas: Atlas, picture: UInt8[ndarray, "px px 3"]) -> list[Path]:
    """`path` and, beside it, its .mtl and .png. In the units and axes of the mesh, vertices shared across seams."""
    material, texture = path.with_suffix(".mtl"), path.with_suffix(".png")
    write_photo(texture, picture)
    material.write_text(_MATERIAL.format(picture=texture.name))
    mesh = atlas.mesh
    place, flat = mesh.faces + 1, atlas.faces + 1
    parts = (
        _rows("v", "%.7g", mesh.vertices),
        _rows("vt", "%.6f", atlas.uv),
        _rows("vn", "%.4f", mesh.vertex_normals),
        _rows("f", "%d/%d/%d", np.stack([place, flat, place], 2).reshape(-1, 9)),
    )
    path.write_text(f"mtllib {material.name}\n" + "".join(parts[:3]) + "usemtl surface\n" + parts[3])
    return [path, material, texture]


def _rows(keyword: str, each: str, values: ndarray) -> str:
    line = " ".join([keyword, *[each] * (values.shape[1] // each.count("%"))]) + "\n"
    return "".join(line % tuple(row) for row in values.tolist())

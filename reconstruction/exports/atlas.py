"""The surface laid out flat: a place in a picture for every face."""

from __future__ import annotations

from dataclasses import dataclass

import fast_simplification
import numpy as np
import xatlas
from jaxtyping import Float, Int
from numpy import ndarray

from reconstruction.rasterizers import Raster, make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform


@dataclass(frozen=True, eq=False)
class Atlas:
    """corners: (k, 2) from 0 to 1, x right, y down in the picture. faces: three of them for each face of `mesh`, in its order."""

    mesh: Mesh
    corners: Float[ndarray, "k 2"]
    faces: Int[ndarray, "m 3"]

    @property
    def uv(self) -> Float[ndarray, "k 2"]:
        """The corners as texture coordinates, whose v runs up."""
        return self.corners * (1, -1) + (0, 1)

    def raster(self, px: int) -> Raster:
        """Which face each texel of a `px` x `px` picture lies on; its `interpolate` takes values of the mesh's vertices."""
        flat = Mesh(np.column_stack([self.corners, np.ones(len(self.corners))]), self.faces)
        # a plane one unit before a pinhole camera: its pixels are the texels
        seen = make_rasterizer(flat).render(Camera(px, px, px, px, -0.5, -0.5), RigidTransform())
        return Raster(self.mesh, seen.face, seen.barycentric, seen.depth)


def lighter(mesh: Mesh, faces: int) -> Mesh:
    """With at most so many faces, without colours: a texture keeps what they carried."""
    if len(mesh.faces) <= faces:
        return Mesh(mesh.vertices, mesh.faces)
    vertices, fewer = fast_simplification.simplify(mesh.vertices.astype(np.float32), mesh.faces, target_count=faces)
    return Mesh(np.asarray(vertices, np.float64), np.asarray(fewer, np.int32)).largest_component()


def unwrap(mesh: Mesh, px: int, padding_px: int = 4) -> Atlas:
    """Charts by xatlas, packed for a picture of about `px` texels a side, `padding_px` apart."""
    atlas = xatlas.Atlas()
    # lengths about one: in metres a small object's faces fall below xatlas' tolerances, and it makes twice the charts
    atlas.add_mesh((mesh.vertices / mesh.diameter).astype(np.float32), mesh.faces.astype(np.uint32))
    chart, pack = xatlas.ChartOptions(), xatlas.PackOptions()
    chart.max_iterations = 1
    pack.resolution, pack.padding, pack.bilinear, pack.blockAlign = px, padding_px, True, True
    atlas.generate(chart, pack)
    _, faces, corners = atlas[0]
    return Atlas(mesh, np.asarray(corners, np.float64), np.asarray(faces, np.int32))

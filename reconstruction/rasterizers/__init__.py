"""Which triangle each pixel sees. `cpu` (Embree rays) is the default; `pytorch3d` is used when named and installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from reconstruction.backends import Backend, load_backend
from reconstruction.scene import Camera, Mesh, RigidTransform


@dataclass(frozen=True, eq=False)
class Raster:
    """face: (h, w) int32, -1 where nothing is hit. barycentric: (h, w, 3). depth: (h, w) z in metres, 0 = none."""

    mesh: Mesh
    face: Int[ndarray, "h w"]
    barycentric: Float[ndarray, "h w 3"]
    depth: Float[ndarray, "h w"]

    @property
    def mask(self) -> Bool[ndarray, "h w"]:
        return self.face >= 0

    def interpolate(self, vertex_values: Float[ndarray, "n c"]) -> Float[ndarray, "h w c"]:
        """Vertex values at each pixel, zero where nothing is hit; float32."""
        out = np.zeros((*self.face.shape, vertex_values.shape[1]), np.float32)
        seen = self.mask
        corners = vertex_values[self.mesh.faces[self.face[seen]]]  # (pixels, 3 corners, c)
        out[seen] = np.einsum("pk,pkc->pc", self.barycentric[seen], corners)
        return out

    def coordinates(self) -> Float[ndarray, "h w 3"]:
        """Object coordinates in metres of what each pixel sees, zero where nothing is hit."""
        return self.interpolate(self.mesh.vertices)


class Rasterizer(Protocol):
    mesh: Mesh

    def __init__(self, mesh: Mesh) -> None: ...

    def render(self, camera: Camera, cam_from_obj: RigidTransform) -> Raster: ...


RASTERIZERS = {
    "cpu": Backend("reconstruction.rasterizers.cpu:CpuRasterizer"),
    "pytorch3d": Backend("reconstruction.rasterizers.pytorch3d:Pytorch3dRasterizer", "build pytorch3d for your torch and CUDA"),
}


def make_rasterizer(mesh: Mesh, name: str = "cpu") -> Rasterizer:
    """Raises InputError for an unknown name, BackendMissing where it is not installed."""
    rasterizer: Rasterizer = load_backend("rasterizer", RASTERIZERS, name)(mesh)
    return rasterizer

"""PyTorch3D's rasterizer, on a GPU where there is one. The package is not on the index: it is built for a torch and a CUDA."""

from __future__ import annotations

import numpy as np
import torch
from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
from pytorch3d.structures import Meshes

from reconstruction.rasterizers import Raster
from reconstruction.scene import Camera, Mesh, RigidTransform


class Pytorch3dRasterizer:
    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.faces = torch.from_numpy(mesh.faces.astype(np.int64)).to(self.device)

    def render(self, camera: Camera, cam_from_obj: RigidTransform) -> Raster:
        points = cam_from_obj.apply(self.mesh.vertices)
        # Normalised device coordinates: x left, y up, the image's shorter side spans [-1, 1], a pixel's centre lies half a pixel in.
        # https://pytorch3d.org/docs/cameras
        size = np.array([camera.width, camera.height])
        ndc = (size - 2 * camera.project(points) - 1) / size.min()
        vertices = torch.from_numpy(np.column_stack([ndc, points[:, 2]]).astype(np.float32)).to(self.device)
        face, depth, barycentric, _ = rasterize_meshes(
            Meshes([vertices], [self.faces]), (camera.height, camera.width), blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
        )
        seen = face[0, ..., 0] >= 0
        return Raster(
            self.mesh,
            face[0, ..., 0].int().cpu().numpy(),
            (barycentric[0, :, :, 0] * seen[..., None]).cpu().numpy(),
            (depth[0, ..., 0] * seen).cpu().numpy(),
        )

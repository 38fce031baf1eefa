"""Embree rays, one a pixel: under a millisecond for a 128 px view of 16,000 faces."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from reconstruction.rasterizers import Raster
from reconstruction.scene import Camera, Mesh, RigidTransform


class CpuRasterizer:
    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.scene = EmbreeScene()
        TriangleMesh(self.scene, np.ascontiguousarray(mesh.vertices, np.float32), np.ascontiguousarray(mesh.faces, np.int32))

    def render(self, camera: Camera, cam_from_obj: RigidTransform) -> Raster:
        obj_from_cam = cam_from_obj.inverse()
        # A ray with z = 1 in the camera frame: the hit's distance along it is the z-depth itself.
        directions = obj_from_cam.rotate(camera.rays()).reshape(-1, 3).astype(np.float32)
        origins = np.tile(obj_from_cam.translation.astype(np.float32), (len(directions), 1))
        hit = self.scene.run(origins, directions, output=1)
        shape = (camera.height, camera.width)
        face = hit["primID"].astype(np.int32)
        u, v = hit["u"], hit["v"]
        barycentric = np.stack([1 - u - v, u, v], -1).astype(np.float32)
        depth = np.where(face >= 0, hit["tfar"], 0).astype(np.float32)
        return Raster(self.mesh, face.reshape(shape), barycentric.reshape(*shape, 3), depth.reshape(shape))

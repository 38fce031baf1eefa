"""The object's outline as a pose puts it into an image, and what moving it across itself does to the pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numba import njit
from numpy import ndarray

from reconstruction.rasterizers import Raster
from reconstruction.scene import Camera, RigidTransform
from reconstruction.scene.edges import Edges
from surfemb.estimation.increments import add_residual, project_jacobian

_BESIDE = 1.25  # pixels from a point of the outline to where the object must be, and must not be
_CAPACITY = 4096


@dataclass(frozen=True, eq=False)
class Contour:
    """Points of the object on a pose's outline (object frame), where they are in the image, the outline's outward normals there, and how
    many pixels of the outline each stands for."""

    points: Float[ndarray, "k 3"]
    pixels: Float[ndarray, "k 2"]
    normals: Float[ndarray, "k 2"]
    length: Float[ndarray, "k"]

    @classmethod
    def of(cls, edges: Edges, raster: Raster, camera: Camera, pose: RigidTransform) -> Contour:
        """raster: of that camera and pose. Where one part of the object ends before another, there is no outline."""
        intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        return cls(
            *_contour(pose.rotation, pose.translation, edges.vertices, edges.ends, edges.faces, edges.planes, intrinsics, raster.mask)
        )

    def where(self, chosen: Bool[ndarray, "k"]) -> Contour:
        return Contour(self.points[chosen], self.pixels[chosen], self.normals[chosen], self.length[chosen])

    def beside(self, offsets: Float[ndarray, "n"]) -> Float[ndarray, "k n 2"]:
        """Pixels so far along the normals."""
        return self.pixels[:, None] + offsets[None, :, None] * self.normals[:, None]

    def normal_equations(
        self, camera: Camera, pose: RigidTransform, offsets: Float[ndarray, "k"], weight: Float[ndarray, "k"], scale_px: float
    ) -> tuple[Float[ndarray, "6"], Float[ndarray, "6 6"]]:
        """Of a Gauss-Newton step from `pose` to where the outline is moved by `offsets` (pixels, along its normals), for `increment`."""
        intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        targets = (self.pixels * self.normals).sum(1) + offsets
        gradient, information = _normal_equations(
            pose.rotation, pose.translation, self.points, self.normals, targets, weight, intrinsics, scale_px
        )
        return gradient, information


@njit(cache=True)
def _contour(rotation, translation, vertices, ends, faces, planes, intrinsics, silhouette):  # type: ignore[no-untyped-def]
    """Middles of the edges between a face that is seen and one that is not, where the object ends in the image."""
    fx, fy, cx, cy = intrinsics
    camera = -rotation.T @ translation
    seen = np.empty(len(planes), np.bool_)
    for f in range(len(planes)):
        seen[f] = planes[f, 0] * camera[0] + planes[f, 1] * camera[1] + planes[f, 2] * camera[2] > planes[f, 3]
    count = 0
    points, normals, pixels, length = np.empty((_CAPACITY, 3)), np.empty((_CAPACITY, 2)), np.empty((_CAPACITY, 2)), np.empty(_CAPACITY)
    turned = np.empty(3)
    for e in range(len(ends)):
        f, g = faces[e]
        if seen[f] == seen[g] or count == _CAPACITY:
            continue
        a, b = ends[e]
        first, second = rotation @ vertices[a] + translation, rotation @ vertices[b] + translation
        if first[2] <= 0 or second[2] <= 0:
            continue
        u0, v0, u1, v1 = fx * first[0] / first[2], fy * first[1] / first[2], fx * second[0] / second[2], fy * second[1] / second[2]
        u, v = 0.5 * (u0 + u1) + cx, 0.5 * (v0 + v1) + cy
        x, y, z = 0.5 * (first + second)
        for k in range(3):
            turned[k] = 0.0
            for j in range(3):
                turned[k] += rotation[k, j] * (planes[f, j] + planes[g, j])
        nu, nv = fx * (turned[0] - x / z * turned[2]), fy * (turned[1] - y / z * turned[2])
        size = np.sqrt(nu * nu + nv * nv)
        if size < 1e-9:
            continue
        nu, nv = nu / size, nv / size
        if at(silhouette, u + _BESIDE * nu, v + _BESIDE * nv) or not at(silhouette, u - _BESIDE * nu, v - _BESIDE * nv):
            continue
        for k in range(3):
            points[count, k] = 0.5 * (vertices[a, k] + vertices[b, k])
        normals[count, 0], normals[count, 1], pixels[count, 0], pixels[count, 1] = nu, nv, u, v
        length[count] = np.sqrt((u1 - u0) ** 2 + (v1 - v0) ** 2)
        count += 1
    return points[:count], pixels[:count], normals[:count], length[:count]


@njit(inline="always")
def at(picture, u, v):  # type: ignore[no-untyped-def]
    """The nearest pixel; False beyond the border."""
    row, column = int(np.rint(v)), int(np.rint(u))
    return 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1] and picture[row, column]


@njit(cache=True, fastmath=True)
def _normal_equations(rotation, translation, points, normals, targets, weight, intrinsics, scale):  # type: ignore[no-untyped-def]
    """With the Geman-McClure loss."""
    fx, fy, cx, cy = intrinsics
    gradient, information = np.zeros(6), np.zeros((6, 6))
    ju, jv = np.zeros(6), np.zeros(6)
    for k in range(len(points)):
        arm = rotation @ points[k]
        x, y, z = arm + translation
        if z <= 0:
            continue
        nu, nv = normals[k]
        off = targets[k] - (nu * (fx * x / z + cx) + nv * (fy * y / z + cy))
        w = weight[k] / (1 + off * off / (scale * scale)) ** 2
        project_jacobian(arm, fx, fy, x, y, z, ju, jv)
        add_residual(gradient, information, ju, jv, off * nu, off * nv, w * nu * nu, w * nu * nv, w * nv * nv)
    return gradient, information

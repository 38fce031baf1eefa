"""The object's outline: where a pose puts it, and how far from there the networks' mask ends.

Points on the surface are told roughly, and their errors blur the distance first. A mask says nothing of what it shows, but ends where
the object ends, to a fraction of a pixel, in whatever paint: its edge holds the distance.
"""

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
_STEP = 0.25  # pixels between two looks at the mask
_ALONG = 0.9  # cosine


@dataclass(frozen=True, eq=False)
class OutlineOffsets:
    """Points of the object on a pose's outline (object frame), the outline's outward normals in the image, how far along them the mask's
    edge lies (pixels, standard deviation `blur`), and how many pixels of the outline each point stands for. targets: where that edge is,
    pixels along the normals."""

    points: Float[ndarray, "k 3"]
    normals: Float[ndarray, "k 2"]
    offsets: Float[ndarray, "k"]
    blur: Float[ndarray, "k"]
    length: Float[ndarray, "k"]
    targets: Float[ndarray, "k"]

    def normal_equations(
        self, camera: Camera, pose: RigidTransform, scale_px: float, pixel_px: float
    ) -> tuple[Float[ndarray, "6"], Float[ndarray, "6 6"]]:
        """Of a Gauss-Newton step that moves the outline to the mask's edge, along its normals only; for `increment`."""
        intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        weight = self.length / (self.blur**2 + pixel_px**2)
        gradient, information = _normal_equations(
            pose.rotation, pose.translation, self.points, self.normals, self.targets, weight, intrinsics, scale_px
        )
        return gradient, information


def outline_offsets(
    edges: Edges,
    raster: Raster,
    camera: Camera,
    pose: RigidTransform,
    mask: Float[ndarray, "H W"],
    known: Bool[ndarray, "h w"],
    reach_px: float,
) -> OutlineOffsets:
    """raster: of that camera and pose. mask: probabilities, H / h times as fine as the camera's pixels. reach_px: how far from the outline
    the mask's edge is looked for; where it is not found (something hides the object there), and where nothing is known, nothing is said."""
    intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
    points, normals, pixels, length = _outline(
        pose.rotation, pose.translation, edges.vertices, edges.ends, edges.faces, edges.planes, intrinsics, raster.mask
    )
    offsets, blur = _mask_edges(pixels, normals, mask, mask.shape[0] // known.shape[0], known, reach_px)
    found, targets = np.isfinite(offsets), (pixels * normals).sum(1) + offsets
    return OutlineOffsets(points[found], normals[found], offsets[found], blur[found], length[found], targets[found])


@njit(cache=True)
def _outline(rotation, translation, vertices, ends, faces, planes, intrinsics, silhouette):  # type: ignore[no-untyped-def]
    """Middles of the edges between a face that is seen and one that is not, where the object ends in the image."""
    fx, fy, cx, cy = intrinsics
    camera = -rotation.T @ translation
    seen = np.empty(len(planes), np.bool_)
    for f in range(len(planes)):
        seen[f] = planes[f, 0] * camera[0] + planes[f, 1] * camera[1] + planes[f, 2] * camera[2] > planes[f, 3]
    count, capacity = 0, 4096
    points, normals, pixels, length = np.empty((capacity, 3)), np.empty((capacity, 2)), np.empty((capacity, 2)), np.empty(capacity)
    turned = np.empty(3)
    for e in range(len(ends)):
        f, g = faces[e]
        if seen[f] == seen[g] or count == capacity:
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
        if _at(silhouette, u + _BESIDE * nu, v + _BESIDE * nv) or not _at(silhouette, u - _BESIDE * nu, v - _BESIDE * nv):
            continue
        for k in range(3):
            points[count, k] = 0.5 * (vertices[a, k] + vertices[b, k])
        normals[count, 0], normals[count, 1], pixels[count, 0], pixels[count, 1] = nu, nv, u, v
        length[count] = np.sqrt((u1 - u0) ** 2 + (v1 - v0) ** 2)
        count += 1
    return points[:count], normals[:count], pixels[:count], length[:count]


@njit(inline="always")
def _at(picture, u, v):  # type: ignore[no-untyped-def]
    """The nearest pixel; False beyond the border."""
    row, column = int(np.rint(v)), int(np.rint(u))
    return 0 <= row < picture.shape[0] and 0 <= column < picture.shape[1] and picture[row, column]


@njit(cache=True)
def _mask_edges(pixels, normals, mask, finer, known, reach):  # type: ignore[no-untyped-def]
    """Where, along each normal, the mask falls through a half: the place nearest to the pixel, NaN without one; and its deviation."""
    half = int(reach / _STEP)
    offsets, blur, profile = np.full(len(pixels), np.nan), np.zeros(len(pixels)), np.empty(2 * half + 1)
    for k in range(len(pixels)):
        inside = True
        for i in range(2 * half + 1):
            u, v = pixels[k, 0] + (i - half) * _STEP * normals[k, 0], pixels[k, 1] + (i - half) * _STEP * normals[k, 1]
            if not _at(known, u, v):
                inside = False
                break
            profile[i] = _between(mask, finer * u, finer * v)
        if not inside:
            continue
        best = np.inf
        for i in range(2 * half):
            if profile[i] >= 0.5 > profile[i + 1]:
                place = (i - half + (profile[i] - 0.5) / (profile[i] - profile[i + 1])) * _STEP
                if abs(place) < abs(best):
                    best = place
                    low, high = max(i - 2, 0), min(i + 3, 2 * half)
                    slope = (profile[low] - profile[high]) / ((high - low) * _STEP)
                    blur[k] = 1 / (np.sqrt(2 * np.pi) * max(slope, 1e-3))
        if np.isfinite(best) and _falls_along(mask, finer * (pixels[k] + best * normals[k]), normals[k], finer):
            offsets[k] = best
    return offsets, blur


@njit(cache=True)
def _falls_along(mask, pixel, normal, size):  # type: ignore[no-untyped-def]
    """Whether the mask falls in the direction of the normal: elsewhere it is something in front that ends it."""
    u, v = pixel
    du = _between(mask, u - size, v) - _between(mask, u + size, v)
    dv = _between(mask, u, v - size) - _between(mask, u, v + size)
    return du * normal[0] + dv * normal[1] > _ALONG * np.sqrt(du * du + dv * dv)


@njit(inline="always")
def _between(picture, u, v):  # type: ignore[no-untyped-def]
    """Bilinear, the border going on beyond itself."""
    height, width = picture.shape
    u, v = min(max(u, 0.0), width - 1.001), min(max(v, 0.0), height - 1.001)
    column, row = int(u), int(v)
    du, dv = u - column, v - row
    upper = (1 - du) * picture[row, column] + du * picture[row, column + 1]
    lower = (1 - du) * picture[row + 1, column] + du * picture[row + 1, column + 1]
    return (1 - dv) * upper + dv * lower


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

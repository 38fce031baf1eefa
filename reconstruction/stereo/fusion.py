"""The hull that the depths of many photos agree on: smooth where they are noisy, carved where they see past it.

Signed distances along the rays are averaged (Curless & Levoy, "A Volumetric Method for Building Complex Models from Range
Images", SIGGRAPH 1996); the set of voxels that fits them best with a short surface is a convex problem (Zach, Pock & Bischof,
"A Globally Optimal Algorithm for Robust TV-L1 Range Image Integration", ICCV 2007), solved by the primal-dual method of
Chambolle & Pock (2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numba
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.hull import Hull, largest_piece, place_voxel
from reconstruction.stereo.depths import StereoPhoto

BEHIND = 6.0  # voxels: so far behind the depth that a photo sees there is object; further on it knows nothing
ENOUGH = 2.0  # photos that look straight at a voxel: with fewer, the hull's word counts too
DATA, HULL = 3.0, 1.0  # how much depths and hull weigh against a voxel of surface
STEPS = 150


@dataclass(frozen=True, eq=False)
class Evidence:
    """Of each voxel of a hull. free: from -1 (all photos see it behind a surface) to 1 (all see past it). weight: of the photos, summed."""

    free: Float[ndarray, "nx ny nz"]
    weight: Float[ndarray, "nx ny nz"]


def gather_evidence(hull: Hull, photos: Sequence[StereoPhoto], depths: Sequence[Float[ndarray, "h w"]]) -> Evidence:
    """What photos with z-depths (frame units, 0 where not known) say of the hull's voxels."""
    free, weight = np.zeros(hull.inside.shape, np.float32), np.zeros(hull.inside.shape, np.float32)
    for photo, depth in zip(photos, depths, strict=True):
        start, step = photo.projection @ np.append(hull.origin, 1.0), photo.projection[:, :3] * hull.spacing
        _add(depth.astype(np.float32), _trust(photo, depth), start, step, hull.spacing, free, weight)
    return Evidence(free / np.maximum(weight, 1e-6), weight)


def fuse_depths(hull: Hull, evidence: Evidence) -> Hull:
    """The part of the hull that is object by the evidence, with a short surface; where nothing was seen, the hull stays.

    Never larger; the same where nothing is left.
    """
    known = np.minimum(1, evidence.weight / ENOUGH)
    cost = np.pad(DATA * known * evidence.free - HULL * (1 - known), 1).astype(np.float32)
    inside = np.pad(hull.inside, 1)
    solid = inside.astype(np.float32)
    ahead, flow = solid.copy(), np.zeros((3, *solid.shape), np.float32)
    step = np.float32(1 / np.sqrt(12))  # the gradient's norm in three dimensions, for both steps
    for _ in range(STEPS):
        _ascend(ahead, flow, step)
        _descend(solid, ahead, flow, cost, inside, step)
    left = largest_piece(solid[1:-1, 1:-1, 1:-1] > 0.5)
    return hull if left is None else Hull(left, hull.origin, hull.spacing)


def _trust(photo: StereoPhoto, depth: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """The cosine between ray and surface, by the depth's slope: little at a limb, none in the outline's mixed pixels."""
    steep = np.zeros_like(depth)
    for along in (0, 1):
        ahead, behind = np.roll(depth, -1, along), np.roll(depth, 1, along)
        slope = np.where((ahead > 0) & (behind > 0), (ahead - behind) / 2, np.inf)
        steep = np.hypot(steep, slope)
    cosine = 1 / np.hypot(1, steep * photo.camera.fx / np.maximum(depth, 1e-9))
    within = cv2.erode(photo.wanted.astype(np.uint8), np.ones((3, 3)), borderValue=0)
    return np.asarray(within * np.where(depth > 0, np.where(np.isfinite(steep), cosine, 0.3), 0), np.float32)


@numba.njit(parallel=True, cache=True)  # type: ignore[untyped-decorator]
def _add(depth: ndarray, trust: ndarray, start: ndarray, step: ndarray, spacing: float, free: ndarray, weight: ndarray) -> None:
    nx, ny, nz = free.shape
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                row, column, z = place_voxel(start, step, i, j, k, depth.shape[0], depth.shape[1])
                if row < 0 or trust[row, column] == 0:
                    continue
                before = (depth[row, column] - z) / spacing
                if before > -BEHIND:
                    free[i, j, k] += trust[row, column] * max(-1.0, min(1.0, before))
                    weight[i, j, k] += trust[row, column]


@numba.njit(parallel=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _ascend(ahead: ndarray, flow: ndarray, step: float) -> None:
    """The dual step: the flow follows the gradient, nowhere longer than one. The arrays have a border of zeros."""
    nx, ny, nz = ahead.shape
    for i in numba.prange(nx - 1):
        for j in range(ny - 1):
            for k in range(nz - 1):
                here = ahead[i, j, k]
                x = flow[0, i, j, k] + step * (ahead[i + 1, j, k] - here)
                y = flow[1, i, j, k] + step * (ahead[i, j + 1, k] - here)
                z = flow[2, i, j, k] + step * (ahead[i, j, k + 1] - here)
                long = max(np.float32(1), np.sqrt(x * x + y * y + z * z))
                flow[0, i, j, k], flow[1, i, j, k], flow[2, i, j, k] = x / long, y / long, z / long


@numba.njit(parallel=True, cache=True, fastmath=True)  # type: ignore[untyped-decorator]
def _descend(solid: ndarray, ahead: ndarray, flow: ndarray, cost: ndarray, inside: ndarray, step: float) -> None:
    """The primal step, kept between 0 and 1 and to the hull; `ahead` is what the next dual step looks at."""
    nx, ny, nz = solid.shape
    for i in numba.prange(1, nx - 1):
        for j in range(1, ny - 1):
            for k in range(1, nz - 1):
                if not inside[i, j, k]:
                    continue
                out = flow[0, i, j, k] + flow[1, i, j, k] + flow[2, i, j, k]
                out -= flow[0, i - 1, j, k] + flow[1, i, j - 1, k] + flow[2, i, j, k - 1]
                old = solid[i, j, k]
                new = min(np.float32(1), max(np.float32(0), old + step * (out - cost[i, j, k])))
                solid[i, j, k], ahead[i, j, k] = new, 2 * new - old

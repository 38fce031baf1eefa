"""The compiled part of stereo: every depth inside the hull tried for every pixel."""

from __future__ import annotations

import numba
import numpy as np
from numpy import ndarray

FRONT = 5  # depths inside the hull that count as its surface
NOISE = 25 * 4.0  # a patch's spread below which it is noise: two grey levels in each of its 25 pixels


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def best_depths(
    grey: ndarray,
    wanted: ndarray,
    origin: ndarray,
    rays: ndarray,
    stack: ndarray,
    shapes: ndarray,
    projections: ndarray,
    inside: ndarray,
    corner: ndarray,
    spacing: float,
    span: ndarray,
    limits: ndarray,
) -> ndarray:
    """z-depth (h, w) of the wanted pixels, 0 where none is convincing; all in the hull's frame, float32.

    origin, rays: camera centre and (h, w, 3) directions with z = 1 in the camera. stack, shapes, projections: the neighbours'
    grey images (padded to one size), their sizes and 3 x 4 matrices. inside, corner, spacing: the hull. span: its nearest and
    farthest depth. limits: good, lone, sure and better of the config.
    """
    height, width = grey.shape
    out = np.zeros((height, width), np.float32)
    for i in numba.prange(2, height - 2):
        patch = np.empty((5, 5), np.float32)
        point, right, down = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
        for j in range(2, width - 2):
            if not wanted[i, j] or not _take_patch(grey, i, j, patch):
                continue
            best, best_depth, front, entered = np.float32(-1), np.float32(0), np.float32(-1), 0
            for s in range(int((span[1] - span[0]) / spacing) + 1):
                depth = span[0] + s * spacing
                for c in range(3):
                    point[c] = origin[c] + depth * rays[i, j, c]
                if not _occupied(inside, corner, spacing, point):
                    continue
                entered += 1
                if entered > FRONT and front > limits[2]:
                    break  # the hull's own surface explains the photos
                for c in range(3):
                    right[c] = depth * (rays[i, j + 1, c] - rays[i, j, c])
                    down[c] = depth * (rays[i + 1, j, c] - rays[i, j, c])
                score = _likeness(patch, stack, shapes, projections, point, right, down, limits[1])
                if entered <= FRONT:
                    front = max(front, score)
                if score > best:
                    best, best_depth = score, depth
            if best > limits[0] and (entered <= FRONT or front > limits[2] or best - front > limits[3]):
                out[i, j] = best_depth
    return out


@numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
def _take_patch(grey: ndarray, i: int, j: int, patch: ndarray) -> bool:
    """Fills in the 5 x 5 pixels around (i, j), mean zero, length one; False where they show nothing."""
    mean, spread = np.float32(0), np.float32(0)
    for v in range(5):
        for u in range(5):
            patch[v, u] = grey[i + v - 2, j + u - 2]
            mean += patch[v, u] / 25
    for v in range(5):
        for u in range(5):
            patch[v, u] -= mean
            spread += patch[v, u] ** 2
    if spread < NOISE:
        return False
    patch /= np.sqrt(spread)
    return True


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _occupied(inside: ndarray, corner: ndarray, spacing: float, point: ndarray) -> bool:
    x = int(np.floor((point[0] - corner[0]) / spacing + 0.5))
    y = int(np.floor((point[1] - corner[1]) / spacing + 0.5))
    z = int(np.floor((point[2] - corner[2]) / spacing + 0.5))
    if x < 0 or y < 0 or z < 0 or x >= inside.shape[0] or y >= inside.shape[1] or z >= inside.shape[2]:
        return False
    return bool(inside[x, y, z])


@numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
def _likeness(
    patch: ndarray, stack: ndarray, shapes: ndarray, projections: ndarray, point: ndarray, right: ndarray, down: ndarray, lone: float
) -> float:
    """Mean of the two best correlations, for the other neighbours may see something else in front; or the best less `lone`."""
    first, second = np.float32(-1), np.float32(-1)
    for k in range(len(stack)):
        score = _correlation(patch, stack[k], shapes[k, 0], shapes[k, 1], projections[k], point, right, down)
        if score > first:
            first, second = score, first
        elif score > second:
            second = score
    return float(max(np.float32(0.5) * (first + second), first - lone))


@numba.njit(inline="always", fastmath=True)  # type: ignore[untyped-decorator]
def _bilinear(image: ndarray, x: float, y: float) -> float:
    i, j = int(y), int(x)
    fy, fx = y - i, x - j
    top = image[i, j] * (1 - fx) + image[i, j + 1] * fx
    return top * (1 - fy) + (image[i + 1, j] * (1 - fx) + image[i + 1, j + 1] * fx) * fy


@numba.njit(fastmath=True)  # type: ignore[untyped-decorator]
def _correlation(
    patch: ndarray, image: ndarray, height: int, width: int, p: ndarray, centre: ndarray, right: ndarray, down: ndarray
) -> float:
    """Of a 5 x 5 patch (mean zero, length one) with the image, warped as a plane that faces the reference camera; -1 off it."""
    z = p[2, 0] * centre[0] + p[2, 1] * centre[1] + p[2, 2] * centre[2] + p[2, 3]
    if z <= 0:
        return -1.0
    x = (p[0, 0] * centre[0] + p[0, 1] * centre[1] + p[0, 2] * centre[2] + p[0, 3]) / z
    y = (p[1, 0] * centre[0] + p[1, 1] * centre[1] + p[1, 2] * centre[2] + p[1, 3]) / z
    # The projection's derivative along a pixel step to the right and down.
    rz = p[2, 0] * right[0] + p[2, 1] * right[1] + p[2, 2] * right[2]
    xr = (p[0, 0] * right[0] + p[0, 1] * right[1] + p[0, 2] * right[2] - x * rz) / z
    yr = (p[1, 0] * right[0] + p[1, 1] * right[1] + p[1, 2] * right[2] - y * rz) / z
    dz = p[2, 0] * down[0] + p[2, 1] * down[1] + p[2, 2] * down[2]
    xd = (p[0, 0] * down[0] + p[0, 1] * down[1] + p[0, 2] * down[2] - x * dz) / z
    yd = (p[1, 0] * down[0] + p[1, 1] * down[1] + p[1, 2] * down[2] - y * dz) / z
    span_x, span_y = 2 * (abs(xr) + abs(xd)), 2 * (abs(yr) + abs(yd))
    if x - span_x < 0 or y - span_y < 0 or x + span_x >= width - 1 or y + span_y >= height - 1:
        return -1.0
    total, square, cross = 0.0, 0.0, 0.0
    for v in range(-2, 3):
        for u in range(-2, 3):
            value = _bilinear(image, x + u * xr + v * xd, y + u * yr + v * yd)
            total += value
            square += value * value
            cross += value * patch[v + 2, u + 2]
    spread = square - total * total / 25
    return -1.0 if spread < NOISE else cross / np.sqrt(spread)

"""Depth from several photos inside a hull: where a pixel's patch looks alike in neighbouring photos.

Plane-sweep stereo: a pixel's patch is looked for in neighbouring photos at every depth inside the hull, by normalised
cross-correlation, which exposure doesn't change (Goesele et al., "Multi-View Stereo for Community Photo Collections", ICCV 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numba
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.hull import Hull
from reconstruction.scene import Camera, RigidTransform


@dataclass(frozen=True)
class StereoConfig:
    """px: photos are shrunk to this. neighbours: photos that each is compared with, `least_deg` to `most_deg` away.

    good: correlation from which a depth counts, taken from the two neighbours that agree best, or `lone` less from one.
    sure, better: a depth behind the hull's surface counts where that surface correlates less than `sure`, and by `better` less.
    """

    px: int = 220
    neighbours: int = 4
    least_deg: float = 5.0
    most_deg: float = 40.0
    good: float = 0.65
    lone: float = 0.15
    sure: float = 0.85
    better: float = 0.1


@dataclass(frozen=True, eq=False)
class StereoPhoto:
    """The part of a photo that shows the object, in the frame of the hull. wanted: the pixels to find a depth for."""

    camera: Camera
    cam_from_world: RigidTransform
    grey: Float[ndarray, "h w"]
    wanted: Bool[ndarray, "h w"]

    @classmethod
    def shrunk(
        cls, camera: Camera, cam_from_world: RigidTransform, photo: UInt8[ndarray, "h w 3"], wanted: Bool[ndarray, "h w"], px: int
    ) -> StereoPhoto:
        """At most `px` wide and high."""
        share = min(1.0, px / max(camera.width, camera.height))
        small = camera.resized(max(1, round(camera.width * share)), max(1, round(camera.height * share)))
        size = (small.width, small.height)
        grey = cv2.cvtColor(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(np.float32)
        return cls(small, cam_from_world, grey, cv2.resize(wanted.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)

    def points(self, depth: Float[ndarray, "h w"]) -> Float[ndarray, "n 3"]:
        """In the hull's frame, of the pixels that have a depth."""
        seen = depth > 0
        return self.cam_from_world.inverse().apply(self.camera.rays()[seen] * depth[seen, None])

    @property
    def projection(self) -> Float[ndarray, "3 4"]:
        return self.camera.matrix @ self.cam_from_world.matrix[:3]


def find_depths(
    photos: Sequence[StereoPhoto], hull: Hull, config: StereoConfig, done: Callable[[int], None] = lambda _: None
) -> list[Float[ndarray, "h w"]]:
    """z-depths of the wanted pixels, frame units, each confirmed by a neighbour's own; 0 where none is convincing."""
    depths = []
    for index, photo in enumerate(photos):
        depths.append(_sweep(photo, [photos[k] for k in neighbours_of(photos, index, config)], hull, config))
        done(index + 1)
    return [_confirmed(index, photos, depths, config, 2.5 * hull.spacing) for index in range(len(photos))]


def neighbours_of(photos: Sequence[StereoPhoto], index: int, config: StereoConfig) -> list[int]:
    """Those whose viewing direction differs by about the wanted angle, closest to 12 degrees first."""
    forward = np.stack([photo.cam_from_world.rotation[2] for photo in photos])
    angle = np.degrees(np.arccos((forward @ forward[index]).clip(-1, 1)))
    fit = np.where((angle > config.least_deg) & (angle < config.most_deg), np.abs(angle - 12), np.inf)
    order = np.argsort(fit, kind="stable")[: config.neighbours]
    return [int(k) for k in order if np.isfinite(fit[k])]


def _sweep(photo: StereoPhoto, near: list[StereoPhoto], hull: Hull, config: StereoConfig) -> Float[ndarray, "h w"]:
    if len(near) < 2:
        return np.zeros(photo.grey.shape, np.float32)
    world_from_cam = photo.cam_from_world.inverse()
    stack = np.zeros((len(near), *np.max([other.grey.shape for other in near], axis=0)), np.float32)
    for image, other in zip(stack, near, strict=True):
        image[: other.grey.shape[0], : other.grey.shape[1]] = other.grey
    lower, upper = hull.bounds()
    middle, reach = photo.cam_from_world.apply((lower + upper)[None] / 2)[0, 2], float(np.linalg.norm(upper - lower)) / 2
    return _best_depths(
        photo.grey,
        photo.wanted,
        world_from_cam.translation.astype(np.float32),
        world_from_cam.rotate(photo.camera.rays()).astype(np.float32),
        stack,
        np.array([other.grey.shape for other in near], np.int64),
        np.stack([other.projection for other in near]).astype(np.float32),
        hull.inside,
        hull.origin.astype(np.float32),
        np.float32(hull.spacing),
        np.array([max(middle - reach, hull.spacing), middle + reach], np.float32),
        np.array([config.good, config.lone, config.sure, config.better], np.float32),
    )


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
    return -1.0 if spread < 25 * 4.0 else cross / np.sqrt(spread)


@numba.njit(parallel=True, fastmath=True, cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _best_depths(
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
    """span: nearest and farthest depth of the hull. limits: good, lone, sure, better of the config."""
    height, width = grey.shape
    good, lone, sure, better = limits
    steps = int((span[1] - span[0]) / spacing) + 1
    out = np.zeros((height, width), np.float32)
    for i in numba.prange(2, height - 2):
        patch = np.empty((5, 5), np.float32)
        point, right, down = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
        for j in range(2, width - 2):
            if not wanted[i, j]:
                continue
            mean = np.float32(0)
            for v in range(5):
                for u in range(5):
                    patch[v, u] = grey[i + v - 2, j + u - 2]
                    mean += patch[v, u] / 25
            spread = np.float32(0)
            for v in range(5):
                for u in range(5):
                    patch[v, u] -= mean
                    spread += patch[v, u] ** 2
            if spread < 25 * 4.0:  # two grey levels of contrast: noise
                continue
            for v in range(5):
                for u in range(5):
                    patch[v, u] /= np.sqrt(spread)
            sure_in_front = False
            best, best_depth, front, entered = np.float32(-1), np.float32(0), np.float32(-1), 0
            for s in range(steps):
                depth = span[0] + s * spacing
                for c in range(3):
                    point[c] = origin[c] + depth * rays[i, j, c]
                x = int(np.floor((point[0] - corner[0]) / spacing + 0.5))
                y = int(np.floor((point[1] - corner[1]) / spacing + 0.5))
                z = int(np.floor((point[2] - corner[2]) / spacing + 0.5))
                if x < 0 or y < 0 or z < 0 or x >= inside.shape[0] or y >= inside.shape[1] or z >= inside.shape[2]:
                    continue
                if not inside[x, y, z]:
                    continue
                entered += 1
                for c in range(3):
                    right[c] = depth * (rays[i, j + 1, c] - rays[i, j, c])
                    down[c] = depth * (rays[i + 1, j, c] - rays[i, j, c])
                first, second = np.float32(-1), np.float32(-1)
                for k in range(len(stack)):
                    score = _correlation(patch, stack[k], shapes[k, 0], shapes[k, 1], projections[k], point, right, down)
                    if score > first:
                        first, second = score, first
                    elif score > second:
                        second = score
                score = max(0.5 * (first + second), first - lone)  # the others may see something else in front
                if entered <= 5:
                    front = max(front, score)
                elif front > sure:
                    sure_in_front = True
                    break  # the hull's own surface explains the photos
                if score > best:
                    best, best_depth = score, depth
            if best > good and (sure_in_front or best - front > better or entered <= 5):
                out[i, j] = best_depth
    return out


def _confirmed(
    index: int, photos: Sequence[StereoPhoto], depths: list[ndarray], config: StereoConfig, margin: float
) -> Float[ndarray, "h w"]:
    """The depths that a neighbour's own depths agree with to `margin`; 0 elsewhere."""
    photo, depth = photos[index], depths[index]
    points = photo.points(depth)
    agreed = np.zeros(len(points), bool)
    for k in neighbours_of(photos, index, replace(config, neighbours=2 * config.neighbours)):
        there = photos[k].cam_from_world.apply(points)
        seen = _look_up(depths[k], np.nan_to_num(photos[k].camera.project(there), nan=-1.0))
        agreed |= (seen > 0) & (np.abs(seen - there[:, 2]) < margin)
    out = np.zeros_like(depth)
    rows, columns = np.nonzero(depth > 0)
    out[rows[agreed], columns[agreed]] = depth[rows[agreed], columns[agreed]]
    return out


def expected_depth(index: int, photos: Sequence[StereoPhoto], depths: Sequence[ndarray], config: StereoConfig) -> Float[ndarray, "h w"]:
    """What a photo should see by the depths of its neighbours: the nearest of their points at each pixel; 0 where there is none."""
    photo = photos[index]
    expected = np.full(photo.grey.shape, np.inf, np.float32)
    for k in neighbours_of(photos, index, replace(config, neighbours=2 * config.neighbours)):
        points = photo.cam_from_world.apply(photos[k].points(depths[k]))
        pixels = photo.camera.project(points)
        within = photo.camera.contains(pixels)
        column, row = np.floor(pixels[within] + 0.5).astype(int).T.clip(0, np.array([[photo.camera.width], [photo.camera.height]]) - 1)
        np.minimum.at(expected, (row, column), points[within, 2].astype(np.float32))
    return np.where(np.isfinite(expected), expected, 0).astype(np.float32)


def _look_up(image: Float[ndarray, "h w"], pixels: Float[ndarray, "n 2"]) -> Float[ndarray, "n"]:
    """The nearest pixel's value, zero outside."""
    column, row = np.floor(pixels.clip(-1e6, 1e6) + 0.5).astype(int).T
    within = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
    return np.where(within, image[row.clip(0, image.shape[0] - 1), column.clip(0, image.shape[1] - 1)], 0)

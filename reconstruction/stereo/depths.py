"""Depth from several photos inside a hull: where a pixel's patch looks alike in neighbouring photos.

Plane-sweep stereo: a pixel's patch is looked for in neighbouring photos at every depth inside the hull, by normalised
cross-correlation, which exposure doesn't change (Goesele et al., "Multi-View Stereo for Community Photo Collections", ICCV 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.hull import Hull
from reconstruction.scene import Camera, RigidTransform
from reconstruction.stereo.sweep import best_depths


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
        depths.append(_sweep(photo, [photos[k] for k in _neighbours(photos, index, config)], hull, config))
        done(index + 1)
    return [_confirmed(index, photos, depths, config, 2.5 * hull.spacing) for index in range(len(photos))]


def _neighbours(photos: Sequence[StereoPhoto], index: int, config: StereoConfig) -> list[int]:
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
    return best_depths(
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


def _confirmed(
    index: int, photos: Sequence[StereoPhoto], depths: list[ndarray], config: StereoConfig, margin: float
) -> Float[ndarray, "h w"]:
    """The depths that a neighbour's own depths agree with to `margin`; 0 elsewhere."""
    photo, depth = photos[index], depths[index]
    points = photo.points(depth)
    agreed = np.zeros(len(points), bool)
    for k in _neighbours(photos, index, replace(config, neighbours=2 * config.neighbours)):
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
    for k in _neighbours(photos, index, replace(config, neighbours=2 * config.neighbours)):
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

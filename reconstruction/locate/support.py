"""The plane the object stands on: from tags where there are some, else the dominant plane of the sparse points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import CaptureError
from reconstruction.scene import View
from reconstruction.tags import Tags


@dataclass(frozen=True, eq=False)
class SupportPlane:
    """Points with `up @ x == offset`; `up` is a unit vector towards the cameras."""

    up: Float[ndarray, "3"]
    offset: float
    source: Literal["tags", "points"]

    def height(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n"]:
        return points @ self.up - self.offset


def camera_centres(views: Sequence[View]) -> Float[ndarray, "n 3"]:
    return np.stack([view.centre_world for view in views])


def looked_at(views: Sequence[View]) -> Float[ndarray, "3"]:
    """The point nearest to all optical axes, in the least-squares sense."""
    centres = camera_centres(views)
    axes = np.stack([view.cam_from_world.rotation[2] for view in views])
    projectors = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    return np.linalg.lstsq(projectors.sum(0), np.einsum("nij,nj->i", projectors, centres), rcond=None)[0]


def plane_from_tags(tags: Tags, views: Sequence[View]) -> SupportPlane:
    """Least squares through all corners."""
    corners = np.concatenate(list(tags.corners.values()))
    middle = corners.mean(0)
    normal = np.linalg.svd(corners - middle)[2][-1]
    return _towards_cameras(normal, float(normal @ middle), views, "tags")


def plane_from_points(points: Float[ndarray, "n 3"], views: Sequence[View], seed: int = 0, draws: int = 2000) -> SupportPlane:
    """The plane with most points near it among those that no camera lies below (RANSAC, then least squares).

    "Near" is 1 % of the typical distance from the cameras to what they look at. Raises CaptureError where no plane holds enough.
    """
    centres, focus = camera_centres(views), looked_at(views)
    distance = float(np.median(np.linalg.norm(centres - focus, axis=1)))
    near = points[np.linalg.norm(points - focus, axis=1) < 1.5 * distance]
    if len(near) < 50:
        raise CaptureError("too few scene points to find the table", try_next="put textured things or a tag board around the object")
    rng = np.random.default_rng(seed)
    sample = near if len(near) <= 4000 else near[rng.choice(len(near), 4000, replace=False)]
    central = np.linalg.norm(sample - focus, axis=1) < 0.5 * distance
    best, best_count = np.zeros(len(sample), bool), 0
    for _ in range(draws):
        a, b, c = sample[rng.choice(len(sample), 3, replace=False)]
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal)
        if length < 1e-12:
            continue
        normal /= length
        sides = (centres - a) @ normal
        walls_off = abs((focus - a) @ normal) > 0.35 * distance  # what the cameras look at stands on the plane
        if walls_off or min((sides > 0).mean(), (sides < 0).mean()) > 0.02:
            continue
        above = (sample - a) @ (normal * np.sign(np.median(sides)))
        close = np.abs(above) < 0.01 * distance
        if (above[central] < -0.02 * distance).sum() > close[central].sum():
            continue  # a table hides what is below it: this one cuts through something
        if close.sum() > best_count:
            best, best_count = close, int(close.sum())
    if best_count < max(30, 0.05 * len(sample)):
        raise CaptureError(
            "no plane was found that the object stands on: the table shows too little, or, with nothing else in sight, photos of two sides"
            " with the same print were placed on each other",
            try_next="put it on a tag board or on something printed, a newspaper say, and keep that in the pictures",
        )
    middle = sample[best].mean(0)
    normal = np.linalg.svd(sample[best] - middle, full_matrices=False)[2][-1]
    return _towards_cameras(normal, float(normal @ middle), views, "points")


def _towards_cameras(normal: ndarray, offset: float, views: Sequence[View], source: Literal["tags", "points"]) -> SupportPlane:
    sign = 1.0 if np.median(camera_centres(views) @ normal) > offset else -1.0
    return SupportPlane(sign * normal, sign * offset, source)

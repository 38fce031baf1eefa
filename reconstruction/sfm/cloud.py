"""The sparse reconstruction as people look at it: the points that most photos saw, the cameras, and which way is up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.scene import View
from reconstruction.sfm.sparse import SparsePoints

MOST_POINTS = 20_000
DIGITS = 4  # of a coordinate, relative to how far apart the cameras are
LEVEL = 0.35  # mean sine between the photos' horizontals and the level: more, and they were held in all ways


def cloud_document(points: SparsePoints, views: Sequence[View]) -> dict[str, Any]:
    """JSON in the SfM frame. Rows of points are x, y, z, r, g, b; `up` is None where the photos don't agree on it."""
    seen = np.bincount(points.point_index, minlength=len(points.xyz))
    best = np.sort(np.argsort(-seen, kind="stable")[:MOST_POINTS])
    centres = np.array([view.centre_world for view in views])
    decimals = DIGITS - math.floor(math.log10(max(float(np.ptp(centres, axis=0).max()), 1e-9)))
    places, colours = np.round(points.xyz[best], decimals).tolist(), points.rgb[best].tolist()
    up = up_of(views)
    return {
        "points": [place + colour for place, colour in zip(places, colours, strict=True)],
        "cameras": [_camera(view) for view in views],
        "up": None if up is None else np.round(up, 5).tolist(),
    }


def up_of(views: Sequence[View]) -> Float[ndarray, "3"] | None:
    """The direction that is square to the horizontals of photos that were held upright; None where they were not."""
    across, down = (np.stack([view.cam_from_world.rotation[axis] for view in views]) for axis in (0, 1))
    normal = np.linalg.svd(across, full_matrices=True)[2][-1]
    if np.abs(across @ normal).mean() > LEVEL or len(views) < 3:
        return None
    return np.asarray(normal if (down @ normal).sum() < 0 else -normal)


def _camera(view: View) -> dict[str, Any]:
    camera = view.camera
    return {
        "name": view.name,
        "cam_from_world": view.cam_from_world.to_json(),
        "fov_x_deg": round(math.degrees(2 * math.atan(camera.width / (2 * camera.fx))), 3),
        "aspect": round(camera.width / camera.height, 5),
    }

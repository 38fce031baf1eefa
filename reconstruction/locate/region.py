"""The box in space that holds the object, and what it looks like in each view."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture import Box
from reconstruction.locate.support import SupportPlane
from reconstruction.scene import RigidTransform, View

FRAMED_MARGIN = 0.1  # share of the prompt's box that the region reaches beyond it: it is drawn by hand, its depth is rough


@dataclass(frozen=True)
class PhotoPrompt:
    """What a segmenter is told about one view: a box, and pixels on the object."""

    box: Box
    points_px: Float[ndarray, "n 2"]


@dataclass(frozen=True, eq=False)
class Region:
    """The box in space that holds the object, generously, in SfM units.

    The region frame has z up, z = 0 on the support plane and its origin under the object. `points`: (n, 3) sparse points
    of the object, world frame. `lower`, `upper`: corners of the box in the region frame.
    """

    region_from_world: RigidTransform
    lower: Float[ndarray, "3"]
    upper: Float[ndarray, "3"]
    points: Float[ndarray, "n 3"]
    plane_source: Literal["tags", "points"]

    @classmethod
    def around(cls, cluster: Float[ndarray, "n 3"], plane: SupportPlane, view: View, box: Box | None, size: float, margin: float) -> Region:
        """Around the bulk of the object's points, standing on the plane, x across `view`.

        It holds all that `box` frames in `view`, since thin parts may have no points of their own. margin: of the points' extent.
        size: the framed thing's longer side, 0 where that is not known.
        """
        rotation = upright(plane.up, view)
        local = cluster @ rotation.T
        low, high = np.percentile(local, 1, axis=0), np.percentile(local, 99, axis=0)
        top = high[2] - plane.offset
        reach = margin * max(*(high - low)[:2], top)
        middle, half = (low + high)[:2] / 2, np.maximum((high - low)[:2] / 2 + reach, 0.35 * size)
        low, high = middle - half, middle + half
        if box is not None:
            framed = _framed(cluster, view, box) @ rotation[0]
            room = FRAMED_MARGIN * np.ptp(framed)
            low[0], high[0] = min(low[0], framed.min() - room), max(high[0], framed.max() + room)
        foot, half = np.array([*(low + high) / 2, plane.offset]), (high - low) / 2
        top = max(top + reach, min(1.1 * size, 1.6 * top))
        return cls(RigidTransform(rotation, -foot), np.array([*-half, 0.0]), np.array([*half, top]), cluster, plane.source)

    @property
    def centre_world(self) -> Float[ndarray, "3"]:
        """The middle of the object's points: the box itself is drawn generously."""
        low, high = np.percentile(self.region_from_world.apply(self.points), [1, 99], axis=0)
        return self.region_from_world.inverse().apply((low + high) / 2)

    def prompt(self, view: View) -> PhotoPrompt | None:
        """The region and its points as this view sees them; None where the region is out of sight."""
        corners = np.array(list(product(*zip(self.lower, self.upper, strict=True))))
        pixels = view.project(self.region_from_world.inverse().apply(corners))
        pixels = pixels[np.isfinite(pixels).all(1)]
        on_object = view.project(self.points)
        on_object = on_object[view.camera.contains(on_object)]
        if len(pixels) < 8 or len(on_object) == 0:
            return None
        size = np.array([view.camera.width, view.camera.height])
        low, high = (pixels.min(0).clip(-0.5, size - 0.5), pixels.max(0).clip(-0.5, size - 0.5))
        return PhotoPrompt((float(low[0]), float(low[1]), float(high[0]), float(high[1])), on_object)

    def to_json(self) -> dict[str, Any]:
        return {
            "region_from_world": self.region_from_world.to_json(),
            "lower": self.lower.tolist(),
            "upper": self.upper.tolist(),
            "points": self.points.tolist(),
            "plane_source": self.plane_source,
        }

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> Region:
        return cls(
            RigidTransform.from_json(doc["region_from_world"]),
            np.array(doc["lower"]),
            np.array(doc["upper"]),
            np.array(doc["points"]).reshape(-1, 3),
            doc["plane_source"],
        )


def upright(up: Float[ndarray, "3"], view: View) -> Float[ndarray, "3 3"]:
    """Turns `up` to z, and the image axis of the view that is more level to x."""
    axes = view.cam_from_world.rotation[:2]
    across = axes[np.abs(axes @ up).argmin()]
    x = across - (across @ up) * up
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up])


def _framed(cluster: Float[ndarray, "n 3"], view: View, box: Box) -> Float[ndarray, "4 3"]:
    """The corners of the view's box at the depth of the cluster, world frame."""
    depth = np.median(view.cam_from_world.apply(cluster)[:, 2])
    corners = np.array(list(product(box[::2], box[1::2])))
    return view.cam_from_world.inverse().apply(view.camera.unproject(corners, np.full(4, depth)))

"""What of every photo is trained on: the part around the object, kept small, and what its mask says of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.hull import Hull, find_bites
from reconstruction.scene import Camera, Similarity, View
from reconstruction.sdf.labels import DOUBTFUL, EDGE, HIDDEN, OBJECT, OUTSIDE


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a photo that shows the object, shrunk where it has more pixels than needed."""

    view: View
    camera: Camera
    photo: UInt8[ndarray, "h w 3"]
    labels: UInt8[ndarray, "h w"]

    def rays(self, unit_from_obj: Similarity) -> tuple[Float[ndarray, "3"], Float[ndarray, "n 3"]]:
        """Camera centre and unit directions of all pixels, row by row, in the unit cube; float32."""
        directions = self.view.cam_from_world.inverse().rotate(self.camera.rays()).reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        return unit_from_obj.apply(self.view.centre_world).astype(np.float32), directions.astype(np.float32)


def open_window(view: View, hull: Hull, longest_px: int) -> Window | None:
    """None where the photo has no mask or shows nothing of the hull."""
    mask = view.mask()
    if mask is None:
        return None
    lower, upper = hull.bounds()
    corners = np.stack(np.meshgrid(*np.stack([lower, upper], 1)), -1).reshape(-1, 3)
    pixels = view.project(corners)
    if np.isnan(pixels).any():
        return None
    border = 0.08 * np.ptp(pixels, axis=0).max() + 2
    x0, y0 = np.floor(pixels.min(0) - border).clip(0).astype(int)
    x1, y1 = np.ceil(pixels.max(0) + border).astype(int).clip(None, (view.camera.width, view.camera.height))
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    cut = np.s_[y0:y1, x0:x1]
    labels = _labels(mask, view.doubtful(), hull.silhouette(view))[cut]
    photo, camera = view.photo()[cut], view.camera.cropped(int(x0), int(y0), int(x1 - x0), int(y1 - y0))
    shrink = min(1.0, longest_px / max(camera.width, camera.height))
    if shrink < 1:
        camera = camera.resized(round(camera.width * shrink), round(camera.height * shrink))
        photo = cv2.resize(photo, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, (camera.width, camera.height), interpolation=cv2.INTER_NEAREST)
    return Window(view, camera, np.ascontiguousarray(photo), np.ascontiguousarray(labels))


def _labels(mask: Bool[ndarray, "h w"], doubtful: Bool[ndarray, "h w"] | None, silhouette: Bool[ndarray, "h w"]) -> UInt8[ndarray, "h w"]:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    labels = np.where(inner, OBJECT, np.where(mask, EDGE, OUTSIDE)).astype(np.uint8)
    labels[find_bites(mask, silhouette)] = HIDDEN
    if doubtful is not None:
        labels[doubtful] = DOUBTFUL
    return labels

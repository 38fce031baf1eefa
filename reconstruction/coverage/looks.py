"""How the object itself looks in each photo: its exposure, and its sharpness against the photos that show the same points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.scene import View
from reconstruction.sfm.inspection import edge_detail, exposure
from reconstruction.stage import Progress

PATCH = 15  # pixels around a point that its sharpness is measured in
LEAST_POINTS = 12
BESIDE_DEG = 40.0  # from further off, the same print is foreshortened too differently


@dataclass(frozen=True, eq=False)
class ObjectLook:
    """detail: at each of the points (`sfm/inspection.py`); NaN where it does not lie in the mask, or nothing can be told."""

    detail: Float[ndarray, "n"]
    dark: float
    bright: float


def look_at_object(views: Sequence[View], points: Float[ndarray, "n 3"], progress: Progress) -> list[ObjectLook]:
    """One a masked view; the points are in the views' world frame."""
    looks = []
    for done, view in enumerate(views, 1):
        looks.append(_look(view, points))
        progress(done, len(views), f"looking at the object {done}/{len(views)}")
    return looks


def _look(view: View, points: Float[ndarray, "n 3"]) -> ObjectLook:
    mask = view.mask()
    assert mask is not None
    grey = cv2.cvtColor(view.photo(), cv2.COLOR_RGB2GRAY)
    rows, columns = np.nonzero(mask)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    pixels = view.project(points) - (columns.min(), rows.min())
    inside = view.camera.cropped(0, 0, *mask[window].shape[::-1]).contains(pixels)
    column, row = pixels[inside].round().astype(int).T
    inner = cv2.erode(mask[window].astype(np.uint8), np.ones((PATCH, PATCH)), borderValue=0) > 0  # the outline moves with the view
    detail = np.full(len(points), np.nan)
    measured = edge_detail(grey[window].astype(np.float32), lambda slope: cv2.blur(slope, (PATCH, PATCH))[row, column])
    detail[inside] = np.where(inner[row, column], measured, np.nan)
    return ObjectLook(detail, *exposure(grey[mask]))


def relative_sharpness(
    looks: Sequence[ObjectLook], observed: Bool[ndarray, "v n"], towards: Float[ndarray, "v 3"], neighbours: int
) -> list[float | None]:
    """Of each photo: its detail at the object's points against that of the photos from nearby directions at the same points.

    Content cancels, since it is the same. Only points that neighbours observed are compared: a blurred photo may have lost them.
    None where there are too few. towards: unit vectors from the object to the cameras.
    """
    details = np.stack([look.detail for look in looks])
    result: list[float | None] = []
    closeness = towards @ towards.T
    for index, near in enumerate(np.argsort(-closeness, axis=1, kind="stable")):
        near = near[(near != index) & (closeness[index, near] > np.cos(np.radians(BESIDE_DEG)))]
        beside = near[:neighbours]
        others = np.where(observed[beside], details[beside], np.nan)
        shared = np.isfinite(details[index]) & (np.isfinite(others).sum(0) >= 2)
        if shared.sum() < LEAST_POINTS:
            result.append(None)
            continue
        usual = np.nanmedian(others[:, shared], axis=0)
        result.append(round(float(np.median(details[index, shared] / np.maximum(usual, 0.1))), 3))
    return result

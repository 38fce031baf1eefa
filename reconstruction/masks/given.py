"""Masks that the user gives: `masks/STEM.png`, of the size of the photo as uploaded (upright) or of its undistorted view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from reconstruction.errors import ImageError, MaskError
from reconstruction.scene import View
from reconstruction.scene.images import read_mask
from reconstruction.sfm.lenses import PhotoLens, load_lenses


def read_given_masks(views: Sequence[View], folder: Path, lenses: Path) -> list[Bool[ndarray, "h w"]]:
    """A mask for each view, undistorted like its photo; all False where the user gave none.

    Raises ImageError, by name, where a mask can't be read or has another size than its photo; MaskError where no mask
    carries the name of a photo.
    """
    lens_of = load_lenses(lenses)
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}
    if not found.keys() & {view.name for view in views}:
        raise MaskError(
            f"none of the {len(found)} given masks is named like a photo",
            try_next="call the mask of IMG_1.jpg IMG_1.png",
        )
    return [_fit(found[view.name], view, lens_of[view.name]) if view.name in found else _empty(view) for view in views]


def _empty(view: View) -> Bool[ndarray, "h w"]:
    return np.zeros((view.camera.height, view.camera.width), bool)


def _fit(path: Path, view: View, photo: PhotoLens) -> Bool[ndarray, "h w"]:
    mask = read_mask(path)
    height, width = mask.shape
    view_size, photo_size = (view.camera.width, view.camera.height), (photo.camera.width, photo.camera.height)
    if (width, height) == photo_size:  # the photo as uploaded comes first: it is what people draw on
        soft = photo.lens.undistort(mask.astype(np.float32), photo.camera)
        return cv2.resize(soft, view_size, interpolation=cv2.INTER_AREA) > 0.5
    if (width, height) == view_size:
        return mask
    raise ImageError(
        f"the mask {path.name} has {width}x{height} pixels, its photo {photo_size[0]}x{photo_size[1]}",
        try_next="draw the mask on the upright photo at full size",
    )

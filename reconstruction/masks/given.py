"""Masks that the user gives: `masks/STEM.png`, drawn on the upright photo or a smaller copy of it, or on its undistorted view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from reconstruction.errors import ImageError, MaskError
from reconstruction.formats import PHOTO_SUFFIXES, SLOW_SUFFIXES
from reconstruction.scene import View
from reconstruction.scene.images import read_mask
from reconstruction.sfm.lenses import PhotoLens, load_lenses

_SUFFIXES = set(PHOTO_SUFFIXES) - set(SLOW_SUFFIXES)
SMALLEST = 0.25  # of the view's width: what is coarser says too little of the outline


def read_given_masks(views: Sequence[View], folder: Path, lenses: Path) -> list[Bool[ndarray, "h w"]]:
    """A mask for each view, undistorted like its photo; all False where the user gave none.

    Raises ImageError, by name, where a mask can't be read or has not the shape of its photo; MaskError where no mask
    carries the name of a photo.
    """
    lens_of = load_lenses(lenses)
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES}
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
    if (width, height) == view_size != photo_size:
        return mask
    _check_shape(path, (width, height), photo_size, view_size)
    if (width, height) != photo_size:  # the outline of a smaller copy: interpolated, so that it has no steps
        soft = cv2.resize(mask.astype(np.float32), photo_size, interpolation=cv2.INTER_LINEAR)
    else:
        soft = mask.astype(np.float32)
    return cv2.resize(photo.lens.undistort(soft, photo.camera), view_size, interpolation=cv2.INTER_AREA) > 0.5


def _check_shape(path: Path, size: tuple[int, int], photo: tuple[int, int], view: tuple[int, int]) -> None:
    """Raises ImageError for a mask that belongs to another picture, lies on its side, or is too coarse."""
    shown = f"the mask {path.name} has {size[0]}x{size[1]} pixels, its photo {photo[0]}x{photo[1]}"
    if not _same_shape(size, photo):
        turned = " (the mask lies on its side)" if _same_shape(size[::-1], photo) else ""
        raise ImageError(f"{shown}{turned}", try_next="draw the mask on the upright photo, whole, at full size")
    if size[0] < SMALLEST * view[0]:
        raise ImageError(shown, try_next="draw the mask on the upright photo at full size: this one is too coarse")


def _same_shape(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """But for the rounding of a copy's size."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= max(*a, *b)

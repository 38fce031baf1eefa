"""Photos that show the very same: a copy adds no viewpoint, and its matches outweigh those that do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.capture_warnings import CaptureWarning, capture_warning
from reconstruction.sfm.photos import Photo

ALIKE = 2.0  # grey levels, mean over the thumbnail: worth a closer look
SAME = 8.0  # grey levels, in the place where they differ most: another JPEG quality, another size, less than a pixel of motion
CLOSE_PX, PLACES = 160, 16


def find_duplicates(photos: Sequence[Photo], small: Sequence[Path], needed: Collection[str]) -> dict[int, int]:
    """Index of each photo to be left out -> index of the one that shows the same and stays.

    small: the photos as COLMAP gets them. needed: stems of photos that the request names; they stay, then the largest, then
    the first.
    """
    worth = [(p.path.stem in needed, p.width * p.height, -i) for i, p in enumerate(photos)]
    kept: list[int] = []
    duplicate_of: dict[int, int] = {}
    close: dict[int, Float[ndarray, "h w"]] = {}
    for index in sorted(range(len(photos)), key=lambda i: worth[i], reverse=True):
        same = next((k for k in sorted(kept) if _look_alike(photos[index], photos[k]) and _are_same(index, k, small, close)), None)
        if same is None or photos[index].path.stem in needed:
            kept.append(index)
        else:
            duplicate_of[index] = same
    return dict(sorted(duplicate_of.items()))


def copy_warning(photo: Photo, kept: Photo) -> CaptureWarning:
    """What is told of a photo that was left out for another."""
    message = f"{photo.path.stem} shows the very same as {kept.path.stem} and was left out"
    return capture_warning("duplicate-photo", message, photo.path.stem)


def _look_alike(a: Photo, b: Photo) -> bool:
    same_shape = abs(a.width / a.height - b.width / b.height) < 0.02
    return same_shape and float(np.abs(a.thumbnail - b.thumbnail).mean()) < ALIKE


def _are_same(a: int, b: int, small: Sequence[Path], close: dict[int, Float[ndarray, "h w"]]) -> bool:
    for index in (a, b):
        if index not in close:
            close[index] = _close_look(small[index])
    # A small thing that turns before a plain wall differs in few places only.
    places = cv2.resize(np.abs(close[a] - close[b]), (PLACES, PLACES * 3 // 4), interpolation=cv2.INTER_AREA)
    return float(places.max()) < SAME


def _close_look(path: Path) -> Float[ndarray, "h w"]:
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return cv2.resize(grey, (CLOSE_PX, CLOSE_PX * 3 // 4), interpolation=cv2.INTER_AREA).astype(np.float32)

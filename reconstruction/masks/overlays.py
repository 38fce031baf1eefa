"""Each photo with its mask's outline, small: what a person looks at to see whether the object was found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from reconstruction.scene import View
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.sfm.photos import shrunk_size

LONGEST_PX = 480
OUTLINE = ((0, 0, 0), 3), ((255, 208, 0), 1)  # a bright line in a dark one is seen on anything


def write_overlays(folder: Path, views: list[View], masks: list[Bool[ndarray, "h w"]]) -> None:
    """`folder`/NAME.jpg of every view, of those too whose mask is not used."""
    folder.mkdir()
    for view, mask in zip(views, masks, strict=True):
        write_photo(folder / f"{view.name}.jpg", outlined(read_photo(view.photo_path, at_least_px=LONGEST_PX), mask), quality=80)


def outlined(photo: UInt8[ndarray, "h w 3"], mask: Bool[ndarray, "h2 w2"]) -> UInt8[ndarray, "h3 w3 3"]:
    """The photo, its longest side LONGEST_PX at most, with the outline of a mask of any size."""
    size = shrunk_size(mask.shape[1], mask.shape[0], LONGEST_PX)
    small = np.ascontiguousarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
    inside = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 127
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for colour, width in OUTLINE:
        cv2.drawContours(small, contours, -1, colour, width, cv2.LINE_AA)
    return small

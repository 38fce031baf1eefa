"""The user's photos as COLMAP gets them: upright, clean, no larger than needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.formats import Optics, read_optics, upright_size
from reconstruction.scene.images import read_photo, write_photo
from reconstruction.sfm.inspection import Look, inspect
from reconstruction.stage import Progress


@dataclass(frozen=True)
class Photo:
    """A photo as COLMAP gets it. `width`, `height`: upright, at full size."""

    path: Path
    width: int
    height: int
    thumbnail: Float[ndarray, "h w 3"]
    look: Look
    optics: Optics


def colmap_name(index: int) -> str:
    return f"{index:06d}.jpg"


def prepare_photos(photos: Sequence[Path], out: Path, longest_px: int, progress: Progress) -> list[Photo]:
    """Writes upright, clean JPEGs no larger than `longest_px` for COLMAP, under names that sort like the photos."""
    out.mkdir(parents=True, exist_ok=True)
    prepared = []
    for index, path in enumerate(photos):
        width, height = upright_size(path)
        small = shrink(read_photo(path, at_least_px=longest_px), longest_px)
        write_photo(out / colmap_name(index), small)
        thumbnail = cv2.GaussianBlur(cv2.resize(small, (32, 24), interpolation=cv2.INTER_AREA), (0, 0), 1.0)
        prepared.append(Photo(path, width, height, thumbnail.astype(np.float32), inspect(small), read_optics(path)))
        progress(0, 1000, f"reading photos {index + 1}/{len(photos)}")
    return prepared


def shrink(image: UInt8[ndarray, "h w 3"], longest_px: int) -> UInt8[ndarray, "h2 w2 3"]:
    """The image with its longest side at most `longest_px`."""
    height, width = image.shape[:2]
    size = shrunk_size(width, height, longest_px)
    return image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def shrunk_size(width: int, height: int, longest_px: int) -> tuple[int, int]:
    factor = min(1.0, longest_px / max(width, height))
    return round(width * factor), round(height * factor)


def choose_matching(photos: Sequence[Photo], exhaustive_up_to: int) -> str:
    """Every pair while that is affordable; else in sequence where neighbours look alike; else by similarity."""
    if len(photos) <= exhaustive_up_to:
        return "exhaustive"
    thumbnails = np.stack([p.thumbnail for p in photos])
    neighbours = np.abs(thumbnails[1:] - thumbnails[:-1]).mean()
    half = len(thumbnails) // 2
    strangers = np.abs(thumbnails - np.roll(thumbnails, half, axis=0)).mean()
    return "sequential" if neighbours < 0.75 * strangers else "similar"

"""The object's colours, pooled over all photos, against the surroundings of one: where the hull can't be right in a photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

BINS = 24


@dataclass(frozen=True, eq=False)
class Palette:
    """How often each colour occurs: a smoothed histogram over (r, g, b), sum 1."""

    density: Float[ndarray, "b b b"]

    @classmethod
    def of_counts(cls, counts: Float[ndarray, "b b b"]) -> Palette:
        smooth = ndimage.gaussian_filter(counts.astype(np.float64), 0.7) + 1e-9
        return cls(smooth / smooth.sum())

    def share(self, photo: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "h w"]:
        return self.density[tuple(_bins(photo).transpose(2, 0, 1))]


def count_colors(photo: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"]) -> Float[ndarray, "b b b"]:
    """Histogram of the chosen pixels, sum 1, so that a close-up counts no more than another photo; zero where none are chosen."""
    flat = np.ravel_multi_index(tuple(_bins(photo[where]).T), (BINS,) * 3)
    counts = np.bincount(flat, minlength=BINS**3).reshape((BINS,) * 3).astype(np.float64)
    return counts / max(1.0, counts.sum())


def foreign(photo: UInt8[ndarray, "h w 3"], outside: Bool[ndarray, "h w"], palette: Palette, most: float = 0.08) -> Bool[ndarray, "h w"]:
    """Pixels whose colour is common in `outside` and rare on the object: P(object | colour) < `most`, speckles removed."""
    surroundings = Palette.of_counts(count_colors(photo, outside)).share(photo)
    own = palette.share(photo)
    strange = (own < most * (own + surroundings)).astype(np.uint8)
    return cv2.medianBlur(strange, 5) > 0


def _bins(photo: UInt8[ndarray, "*n 3"]) -> ndarray:
    return (photo.astype(np.int32) * BINS) // 256

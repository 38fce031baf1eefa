"""Which pixels of each photo show the object. `geometry` needs no weights; `sam` needs a checkpoint; `given` are the user's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.backends import Backend
from reconstruction.capture import Box


@dataclass(frozen=True, eq=False)
class Guess:
    """What the geometry knows about one photo before its pixels are looked at. All in pixels of that photo.

    photo: the name of its view. box: around what may be the object. likely: where the hull so far is seen; core: so deep
    in it that it is surely object. limit: nothing outside belongs to the object. object_px, background_px: 3-D points seen in
    this photo on either.
    """

    photo: str
    box: Box
    likely: Bool[ndarray, "h w"]
    core: Bool[ndarray, "h w"]
    limit: Bool[ndarray, "h w"]
    object_px: Float[ndarray, "n 2"]
    background_px: Float[ndarray, "m 2"]

    def window(self, shape: tuple[int, ...], margin: float = 0.08) -> tuple[int, int, int, int]:
        """The box with some surroundings, x0, y0, x1, y1 in whole pixels, clipped to a photo of this shape."""
        x0, y0, x1, y1 = self.box
        pad = margin * max(x1 - x0, y1 - y0) + 4
        return max(0, int(x0 - pad)), max(0, int(y0 - pad)), min(shape[1], int(x1 + pad) + 1), min(shape[0], int(y1 + pad) + 1)


class Masker(Protocol):
    def segment(self, photo: UInt8[ndarray, "h w 3"], guess: Guess) -> Bool[ndarray, "h w"]:
        """The object's visible pixels; all False where it is not found. Called from several threads."""
        ...


MASKERS = {
    "geometry": Backend("reconstruction.masks.geometry:GrabCutMasker"),
    "sam": Backend("reconstruction.masks.sam:SamMasker", "pip install segment-anything torchvision"),
}

"""What stands before the object in single photos: where a photo contradicts the surface that its neighbours agree on.

The hull seeds each cut, so a thing in front of the object is taken in where its colours are like the object's. Its pattern
still gives it away: the neighbours know the surface there, and this photo, though it has texture, shows something else.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.stereo import Look, StereoConfig, StereoPhoto, expected_depth

Mask = Bool[ndarray, "h w"]
RADIUS = 0.05  # of what is looked at together, as a share of the mask's size
FOUND, ELSEWHERE = 0.2, 0.6  # the share of expected depths found: at most so many in a stranger, at least so many beside it
LEAST = 0.03  # of the mask's area: smaller ones are not told from noise
CONTRAST = 9.0  # grey levels squared: less is no texture


def without_strangers(masks: Sequence[Mask], looks: Sequence[Look], config: StereoConfig, margin: float) -> list[Mask]:
    """The masks without what stands before the object. margin: how far a depth may be off, in units of the views' frame."""
    photos, depths = [look.photo for look in looks], [look.depth for look in looks]
    cleaned = list(masks)
    for k, look in enumerate(looks):
        stranger = _stranger(look.photo, look.depth, expected_depth(k, photos, depths, config), margin)
        if stranger.any():
            height, width = masks[look.index][look.window].shape
            cleaned[look.index] = masks[look.index].copy()
            cleaned[look.index][look.window] &= cv2.resize(stranger.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) == 0
    return cleaned


def _stranger(photo: StereoPhoto, depth: Float[ndarray, "h w"], expected: Float[ndarray, "h w"], margin: float) -> Mask:
    """Of the shrunken photo: thick pieces in which hardly any expected depth is found, though nearly all are elsewhere."""
    size = float(np.sqrt(photo.wanted.sum()))
    contrast = cv2.blur(photo.grey**2, (5, 5)) - cv2.blur(photo.grey, (5, 5)) ** 2
    known = photo.wanted & (expected > 0) & (contrast > CONTRAST)
    lowest = cv2.erode(np.where(depth > 0, depth, np.float32(np.inf)), np.ones((3, 3)))
    found = known & (lowest < expected + margin) & (cv2.dilate(depth, np.ones((3, 3))) > expected - margin)
    reach = max(3, round(RADIUS * size))
    around = (2 * reach + 1, 2 * reach + 1)
    many, good = (cv2.blur(which.astype(np.float32), around) for which in (known, found))
    core = photo.wanted & (many > 0.15) & (good < FOUND * many)
    pieces = _large(cv2.morphologyEx(core.astype(np.uint8), cv2.MORPH_OPEN, _disc(0.6 * reach)), LEAST * size**2)
    if (found & ~pieces).sum() < ELSEWHERE * (known & ~pieces).sum():
        return np.zeros_like(photo.wanted)  # a blurred photo, or one far from its neighbours
    return cv2.dilate(cv2.morphologyEx(pieces.astype(np.uint8), cv2.MORPH_CLOSE, _disc(2 * reach)), _disc(reach)) > 0


def _large(regions: ndarray, least: float) -> Mask:
    _, label, stats, _ = cv2.connectedComponentsWithStats(regions)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return np.asarray(large[label])


def _disc(radius: float) -> ndarray:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))

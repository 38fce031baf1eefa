"""Are the colours of an image those of the object drawn at a pose? They tell strangers of the same outline, and side from side."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

LEAST_PIXELS = 64
BLUR = 5  # pixels: print that is laid a little off costs little
WHITE_BALANCE = 1.2  # the image's channels may be brighter or darker by as much
SCALE = 4.0
_DARK = 4.0  # grey levels added to each channel: black has no colour


def colour_likeness(drawn: Float[ndarray, "h w 3"], seen: Float[ndarray, "h w 3"], shown: Bool[ndarray, "h w"]) -> float | None:
    """1 less four times the mean distance (L1) of the two pictures' chromaticities, bright pixels first; None where too few are shown.

    The right pose in other light has 0.6 to 0.9, another thing seldom more than 0.4, and often less than zero. Grey levels, RGB.
    """
    if shown.sum() < LEAST_PIXELS:
        return None
    a, b = (cv2.blur(picture, (BLUR, BLUR))[shown] for picture in (drawn, seen))
    weight = np.minimum(a.mean(1), b.mean(1)) + 2 * _DARK
    gain = (weight @ b) / np.maximum(weight @ a, 1e-6)
    balanced = a * np.clip(gain / max(float(gain.mean()), 1e-6), 1 / WHITE_BALANCE, WHITE_BALANCE)
    distance = np.abs(_chromaticity(balanced) - _chromaticity(b)).sum(1)
    return 1 - SCALE * float(np.average(distance, weights=weight))


def _chromaticity(colours: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    lifted = colours + _DARK
    return lifted / lifted.sum(1, keepdims=True)

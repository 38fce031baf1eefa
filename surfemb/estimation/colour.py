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
DIFFER, ALIKE = 0.08, 0.04  # distances (L1) of chromaticities: two pictures differ there, or show the light alone
_DARK = 4.0  # grey levels added to each channel: black has no colour


def colour_likeness(drawn: Float[ndarray, "h w 3"], seen: Float[ndarray, "h w 3"], shown: Bool[ndarray, "h w"]) -> float | None:
    """1 less four times the mean distance (L1) of the two pictures' chromaticities, bright pixels first; None where too few are shown.

    The right pose in other light has 0.6 to 0.9, another thing seldom more than 0.4, and often less than zero. Grey levels, RGB.
    """
    if shown.sum() < LEAST_PIXELS:
        return None
    a, b = (cv2.blur(picture, (BLUR, BLUR))[shown] for picture in (drawn, seen))
    weight = np.minimum(a.mean(1), b.mean(1)) + 2 * _DARK
    distance = np.abs(_chromaticity(a * _light(a, b, weight)) - _chromaticity(b)).sum(1)
    return 1 - SCALE * float(np.average(distance, weights=weight))


def prefer(
    one: Float[ndarray, "h w 3"], other: Float[ndarray, "h w 3"], seen: Float[ndarray, "h w 3"], shown: Bool[ndarray, "h w"]
) -> tuple[float, float]:
    """Whose colours `seen` has where the two pictures' differ, and the share of the pixels shown where they do.

    1: wholly those of `one`; -1: those of the other; 0: as near to both, or too few pixels to say. The light is taken from where the
    two are alike, so that neither is preferred for it.
    """
    if shown.sum() < LEAST_PIXELS:
        return 0.0, 0.0
    a, b, c = (cv2.blur(picture, (BLUR, BLUR))[shown] for picture in (one, other, seen))
    weight = np.minimum(np.minimum(a.mean(1), b.mean(1)), c.mean(1)) + 2 * _DARK
    alike = np.abs(_chromaticity(a) - _chromaticity(b)).sum(1) < ALIKE
    light = _light((a + b)[alike] / 2, c[alike], weight[alike]) if alike.any() else np.ones(3)
    a, b, c = _chromaticity(a * light), _chromaticity(b * light), _chromaticity(c)
    apart = np.abs(a - b).sum(1)
    told = apart > DIFFER
    if not told.any():
        return 0.0, 0.0
    gain = (np.abs(c - b).sum(1) - np.abs(c - a).sum(1))[told]
    return float(weight[told] @ gain / (weight[told] @ apart[told])), float(told.mean())


def _light(drawn: Float[ndarray, "n 3"], seen: Float[ndarray, "n 3"], weight: Float[ndarray, "n"]) -> Float[ndarray, "3"]:
    """By how much each channel of what is seen is brighter than the others, within what a white balance does."""
    gain = (weight @ seen) / np.maximum(weight @ drawn, 1e-6)
    return np.asarray(np.clip(gain / max(float(gain.mean()), 1e-6), 1 / WHITE_BALANCE, WHITE_BALANCE))


def _chromaticity(colours: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    lifted = colours + _DARK
    return lifted / lifted.sum(1, keepdims=True)

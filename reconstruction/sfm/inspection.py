"""How sharp and how well exposed a photo is, in numbers that depend little on what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

FINE, COARSE = 1.0, 3.0  # pixels: where a step edge and a blurred one differ most, above a photo's noise
TILES = (9, 12)
LEAST_CONTRAST = 1.0  # grey levels squared a pixel squared, at the coarse scale: less is no edge
ONE_SIDED = 0.1  # of a tile's strongest direction: a weaker one has no edges of its own
SHARPEST = 75  # percentile over the tiles: things off the focal plane are no fault
BLACK, WHITE = 24, 250  # grey levels: below, noise outweighs texture; above, it is clipped


@dataclass(frozen=True)
class Look:
    """detail: squared contrast at one pixel over that at three, less 1; None without edges. dark, bright: shares of the pixels."""

    detail: float | None
    dark: float
    bright: float


def inspect(photo: UInt8[ndarray, "h w 3"]) -> Look:
    """The look of a photo at working size; sharpness is judged by the photo's sharpest quarter."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    shrink = partial(cv2.resize, dsize=TILES[::-1], interpolation=cv2.INTER_AREA)
    detail = edge_detail(grey.astype(np.float32), shrink)
    told = detail[np.isfinite(detail)]
    return Look(round(float(np.percentile(told, SHARPEST)), 4) if len(told) >= 4 else None, *exposure(grey))


def exposure(grey: UInt8[ndarray, "*n"]) -> tuple[float, float]:
    """Shares of nearly black and of blown-out pixels."""
    return (round(float((grey < BLACK).mean()), 4), round(float((grey > WHITE).mean()), 4)) if grey.size else (0.0, 0.0)


def edge_detail(grey: Float[ndarray, "h w"], average: Callable[[ndarray], ndarray]) -> Float[ndarray, "*n"]:
    """Squared contrast at FINE over that at COARSE pixels, less 1, of what `average` makes of the pixels; NaN without edges.

    The contrast of an ideal edge falls by COARSE / FINE from the one scale to the other, a blurred one's by less, whatever the
    edge's own strength: so the ratio tells blur where a plain sum of gradients tells content. A moving camera blurs one
    direction only: of four directions the worst counts.
    """
    fine, coarse = (_contrast(grey, scale, average) for scale in (FINE, COARSE))
    told = coarse > np.maximum(LEAST_CONTRAST, ONE_SIDED * coarse.max(0))
    worst = np.where(told, fine / np.maximum(coarse, 1e-9), np.inf).min(0)
    return np.where(np.isfinite(worst), np.maximum(worst - 1, 0), np.nan)


def _contrast(grey: Float[ndarray, "h w"], scale: float, average: Callable[[ndarray], ndarray]) -> Float[ndarray, "4 *n"]:
    """Mean squared slope along four directions."""
    smooth = cv2.GaussianBlur(grey, (0, 0), scale)
    x, y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    xx, yy, xy = (average(slope) for slope in (x * x, y * y, x * y))
    return np.stack([xx, (xx + yy) / 2 + xy, yy, (xx + yy) / 2 - xy])

"""Segmentation without weights: a graph cut (GrabCut) that the geometry seeds. The hull then makes the photos agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from reconstruction.masks import Guess

if TYPE_CHECKING:
    from reconstruction.masks.stage import MaskConfig


@dataclass(frozen=True)
class GrabCutMasker:
    """GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) on a crop whose longer side is at most `crop_px`."""

    crop_px: int = 288
    iterations: int = 4

    @classmethod
    def from_config(cls, config: MaskConfig) -> GrabCutMasker:
        return cls(config.crop_px)

    def segment(self, photo: UInt8[ndarray, "h w 3"], guess: Guess) -> Bool[ndarray, "h w"]:
        mask = np.zeros(photo.shape[:2], bool)
        x0, y0, x1, y1 = guess.window(photo.shape)
        if x1 - x0 < 8 or y1 - y0 < 8:
            return mask
        window = np.s_[y0:y1, x0:x1]
        scale = min(1.0, self.crop_px / max(x1 - x0, y1 - y0))
        size = (max(8, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale)))
        small = cv2.resize(photo[window], size, interpolation=cv2.INTER_AREA)
        labels = _seeds(guess, window, size)
        cut = _cut(small, labels, self.iterations)
        if cut is None:
            return mask
        soft = cv2.resize(cut.astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        mask[window] = soft > 0.5
        return mask


def _seeds(guess: Guess, window: tuple[slice, slice], size: tuple[int, int]) -> UInt8[ndarray, "h w"]:
    """GrabCut's labels; later writes win: what a point says is surer than what the hull says."""
    labels = np.full((size[1], size[0]), cv2.GC_BGD, np.uint8)
    for region, label in ((guess.limit, cv2.GC_PR_BGD), (guess.likely, cv2.GC_PR_FGD), (guess.core, cv2.GC_FGD)):
        labels[cv2.resize(region[window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0] = label
    corner = np.array([window[1].start, window[0].start])
    scale = np.array(size) / (window[1].stop - window[1].start, window[0].stop - window[0].start)
    for points, label in ((guess.background_px, cv2.GC_BGD), (guess.object_px, cv2.GC_FGD)):
        for x, y in ((points - corner) * scale).round().astype(int):
            cv2.circle(labels, (int(x), int(y)), 1, int(label), -1)
    return labels


def _cut(image: UInt8[ndarray, "h w 3"], labels: UInt8[ndarray, "h w"], iterations: int) -> Bool[ndarray, "h w"] | None:
    """None where the seeds leave nothing to tell apart."""
    object_seeds = int(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).sum())
    if object_seeds < 20 or labels.size - object_seeds < 20:
        return None
    cv2.setRNGSeed(0)  # GrabCut starts from k-means with random centres
    models = np.zeros((2, 1, 65))
    cv2.grabCut(image, labels, None, models[0], models[1], iterations, cv2.GC_INIT_WITH_MASK)
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)

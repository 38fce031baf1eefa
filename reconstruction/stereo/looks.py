"""Stereo on masked views: each photo's object cut out, shrunk, and its depths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.hull import Hull
from reconstruction.scene import View
from reconstruction.stereo.depths import StereoConfig, StereoPhoto, find_depths

Mask = Bool[ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Look:
    """What stereo sees in one photo's mask. window: the part of the photo that was looked at, then shrunk."""

    index: int
    window: tuple[slice, slice]
    photo: StereoPhoto
    depth: Float[ndarray, "h w"]


def look_closely(
    views: Sequence[View], masks: Sequence[Mask | None], hull: Hull, config: StereoConfig, done: Callable[[int], None] = lambda _: None
) -> list[Look]:
    """At each photo that has a mask. Views and hull in one frame."""
    shown = [(i, mask, _window(mask)) for i, mask in enumerate(masks) if mask is not None and mask.any()]
    photos = [_photo(views[i], mask, window, config) for i, mask, window in shown]
    depths = find_depths(photos, hull, config, done)
    return [Look(i, window, photo, depth) for (i, _, window), photo, depth in zip(shown, photos, depths, strict=True)]


def _window(mask: Mask, border: int = 6) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.s_[max(0, rows[0] - border) : rows[-1] + border + 1, max(0, columns[0] - border) : columns[-1] + border + 1]


def _photo(view: View, mask: Mask, window: tuple[slice, slice], config: StereoConfig) -> StereoPhoto:
    inside = mask[window]
    camera = view.camera.cropped(window[1].start, window[0].start, inside.shape[1], inside.shape[0])
    return StereoPhoto.shrunk(camera, view.cam_from_world, view.photo()[window], inside, config.px)

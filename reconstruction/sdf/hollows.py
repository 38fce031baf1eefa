"""Hollows that no outline shows: where neighbouring photos agree on a depth inside the hull, what lies before it is carved.

Outlines never show the inside of a cup, and gradient descent that starts on the lid of the hull hardly finds its bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from reconstruction.hull import Hull, count_depth_votes, largest_piece
from reconstruction.sdf.labels import OBJECT
from reconstruction.sdf.rays import Window
from reconstruction.stereo import StereoConfig, StereoPhoto, find_depths

_WIDE = 4  # voxels


def open_hollows(hull: Hull, windows: Sequence[Window], config: StereoConfig, done: Callable[[int], None] = lambda _: None) -> Hull:
    """The hull without what photos see through. Never larger; the same where nothing is found. `done` counts the photos."""
    photos = [StereoPhoto.shrunk(w.camera, w.view.cam_from_world, w.photo, w.labels == OBJECT, config.px) for w in windows]
    return carve_seen_through(hull, photos, find_depths(photos, hull, config, done))


def carve_seen_through(hull: Hull, photos: Sequence[StereoPhoto], depths: Sequence[Float[ndarray, "h w"]]) -> Hull:
    """Without the voxels that lie before the depths that photos see, unless half as many photos see them as solid."""
    evidence = [(photo.projection, depth) for photo, depth in zip(photos, depths, strict=True)]
    free, solid = count_depth_votes(evidence, hull, 1.5 * hull.spacing)
    open_to_view = hull.inside & (free > 0) & (2 * solid <= free)
    core = ndimage.binary_opening(open_to_view, iterations=_WIDE)  # pits narrower than this may be mistakes
    carved = ndimage.binary_propagation(core, mask=open_to_view)
    unknown = hull.inside & ~ndimage.binary_dilation(solid > 0, iterations=2)
    carved |= ndimage.binary_closing(carved, iterations=_WIDE) & unknown  # slivers in which no photo had a depth
    left = largest_piece(hull.inside & ~carved)
    return hull if left is None else Hull(left, hull.origin, hull.spacing)

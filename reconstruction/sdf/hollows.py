"""Hollows that no outline shows: where neighbouring photos agree on a depth inside the hull, what lies before it is carved.

Outlines never show the inside of a cup, and gradient descent that starts on the lid of the hull hardly finds its bottom.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from reconstruction.hull import Hull
from reconstruction.sdf.rays import OBJECT, Window
from reconstruction.stage import Progress, silent
from reconstruction.stereo import StereoConfig, StereoPhoto, find_depths

_WIDE = 4  # voxels


def open_hollows(hull: Hull, windows: Sequence[Window], config: StereoConfig, progress: Progress = silent) -> Hull:
    """The hull without what photos see through. Never larger; the same where nothing is found."""
    photos = [StereoPhoto.shrunk(w.camera, w.view.cam_from_world, w.photo, w.labels == OBJECT, config.px) for w in windows]
    depths = find_depths(photos, hull, config, lambda done: progress(done, len(photos), "looks for hollows"))
    return carve_seen_through(hull, photos, depths)


def carve_seen_through(hull: Hull, photos: Sequence[StereoPhoto], depths: Sequence[Float[ndarray, "h w"]]) -> Hull:
    """Without the voxels that lie before the depths that photos see, unless half as many photos see them as solid."""
    free, solid = np.zeros(hull.inside.shape, np.uint16), np.zeros(hull.inside.shape, np.uint16)
    for photo, depth in zip(photos, depths, strict=True):
        start = photo.projection @ np.append(hull.origin, 1.0)
        _see_through(depth, start, photo.projection[:, :3] * hull.spacing, 1.5 * hull.spacing, free, solid)
    open_to_view = hull.inside & (free > 0) & (2 * solid <= free)
    core = ndimage.binary_opening(open_to_view, iterations=_WIDE)  # pits narrower than this may be mistakes
    carved = ndimage.binary_propagation(core, mask=open_to_view)
    unknown = hull.inside & ~ndimage.binary_dilation(solid > 0, iterations=2)
    carved |= ndimage.binary_closing(carved, iterations=_WIDE) & unknown  # slivers in which no photo had a depth
    label, count = ndimage.label(hull.inside & ~carved)
    if count == 0:
        return hull
    return Hull(label == np.bincount(label.ravel())[1:].argmax() + 1, hull.origin, hull.spacing)


@numba.njit(parallel=True, cache=True)  # type: ignore[untyped-decorator]
def _see_through(depth: ndarray, start: ndarray, step: ndarray, margin: float, free: ndarray, solid: ndarray) -> None:
    """Counts, of each voxel, whether it lies before the depth that the photo sees there, or at it."""
    height, width = depth.shape
    nx, ny, nz = free.shape
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                z = start[2] + i * step[2, 0] + j * step[2, 1] + k * step[2, 2]
                if z <= 0:
                    continue
                x = (start[0] + i * step[0, 0] + j * step[0, 1] + k * step[0, 2]) / z + 0.5
                y = (start[1] + i * step[1, 0] + j * step[1, 1] + k * step[1, 2]) / z + 0.5
                if x < 0 or y < 0 or x >= width or y >= height:
                    continue
                seen = depth[int(y), int(x)]
                if seen <= 0:
                    continue
                if z < seen - margin:
                    free[i, j, k] += 1
                elif z < seen + margin:
                    solid[i, j, k] += 1

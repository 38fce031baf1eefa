"""Whether two placements that the outlines can't tell apart differ in what colours they bring together."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.joining.half import Half
from reconstruction.joining.outlines import DistanceField
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Similarity

PLAIN = 4.0  # spread of chroma (CIELAB) below which an object has no colours to compare
FACING = 0.5  # cosine from which a view counts


def chroma_difference(first: Half, second: Half, first_from_second: Similarity, samples: int = 2000, seed: int = 0) -> float | None:
    """Root mean square difference of the chroma that both captures see at the same points, over its spread there.

    About 0.3 where the placement is right, 1.4 where the colours have nothing to do with each other. None: the object is plain, or
    the captures see too little in common. Lightness is left out: the light differs.
    """
    points, face = first.hull.mesh().sample(samples, seed)
    normals = first.hull.mesh().face_normals[face]
    there = first_from_second.inverse()
    shared = np.abs(DistanceField.of(second.hull)(there.apply(points))) < 2 * second.hull.spacing
    points, normals = points[shared], normals[shared]
    one, other = _chroma(first, points, normals), _chroma(second, there.apply(points), there.rotate(normals))
    both = np.isfinite(one).all(1) & np.isfinite(other).all(1)
    if both.sum() < samples / 20:
        return None
    one, other = one[both] - one[both].mean(0), other[both] - other[both].mean(0)
    spread = float(np.sqrt((np.square(one).sum(1).mean() + np.square(other).sum(1).mean()) / 2))
    return None if spread < PLAIN else float(np.sqrt(np.square(one - other).sum(1).mean())) / spread


def _chroma(half: Half, points: Float[ndarray, "n 3"], normals: Float[ndarray, "n 3"], views: int = 16) -> Float[ndarray, "n 2"]:
    """Median over the views that see a point squarely; NaN where none does."""
    rasterizer, seen = make_rasterizer(half.hull.mesh()), []
    for index in half.spread(views):
        view = half.views[index]
        lab = cv2.cvtColor(cv2.GaussianBlur(view.photo(), (0, 0), 2).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        offsets = view.centre_world - points
        facing = (offsets * normals).sum(1) > FACING * np.linalg.norm(offsets, axis=1)
        pixels = view.project(points)
        column, row = np.nan_to_num(pixels, nan=-1).round().astype(int).T.clip(0, [[view.camera.width - 1], [view.camera.height - 1]])
        depth = rasterizer.render(view.camera, view.cam_from_world).depth[row, column]
        open_to_view = np.abs(depth - view.cam_from_world.apply(points)[:, 2]) < 2 * half.hull.spacing
        good = facing & open_to_view & view.camera.contains(pixels) & half.masks[index][row, column]
        seen.append(np.where(good[:, None], lab[row, column, 1:], np.nan))
    with np.errstate(all="ignore"):
        return np.asarray(_nanmedian(np.stack(seen)))


def _nanmedian(values: Float[ndarray, "v n 2"]) -> Float[ndarray, "n 2"]:
    """As numpy's, without its warning where all are NaN."""
    out = np.full(values.shape[1:], np.nan)
    known = np.isfinite(values[..., 0]).any(0)
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out

"""The colour field, looked at squarely, in a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from reconstruction.exports.atlas import Atlas
from reconstruction.scene import View
from reconstruction.sdf.extract import squarest_directions
from reconstruction.sdf.model import SurfaceModel
from reconstruction.stage import Progress, silent

_CHUNK = 65536


def bake(model: SurfaceModel, atlas: Atlas, views: Sequence[View], px: int, progress: Progress = silent) -> UInt8[ndarray, "px px 3"]:
    """What the cameras that look most squarely at each texel's place would see there; no texel is left empty."""
    raster = atlas.raster(px)
    seen = raster.mask
    towards = _unit(squarest_directions(atlas.mesh, views).mean(1))
    points, normals, directions = (raster.interpolate(v)[seen] for v in (atlas.mesh.vertices, atlas.mesh.vertex_normals, towards))
    colours = np.empty((len(points), 3), np.uint8)
    for first in range(0, len(points), _CHUNK):
        part = slice(first, first + _CHUNK)
        shaded = model.shade(points[part], _unit(directions[part]), _unit(normals[part]))
        colours[part] = (shaded * 255).round().astype(np.uint8)
        progress(min(first + _CHUNK, len(points)), len(points), "texels coloured")
    picture = np.zeros((px, px, 3), np.uint8)
    picture[seen] = colours
    return spread(picture, seen)


def spread(picture: UInt8[ndarray, "h w 3"], known: Bool[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    """Every other texel takes the colour of the nearest known one: what lies between charts is mixed in by whoever samples or shrinks."""
    if not known.any():
        return picture
    rows, columns = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return picture[rows, columns]


def _unit(vectors: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

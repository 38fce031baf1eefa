"""Scale from depth frames: sensor depth over the depth of the sparse points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import ImageError, ScaleError
from reconstruction.scale.source import Scale, ScaleConfig
from reconstruction.scene import View
from reconstruction.scene.images import read_depth
from reconstruction.sfm.lenses import PhotoLens
from reconstruction.sfm.sparse import SparsePoints


def scale_from_depth(ratios: Float[ndarray, "n"], config: ScaleConfig) -> Scale:
    """Metres per unit from one ratio (sensor depth / SfM depth) per observation: the mean of the band that holds most.

    The published procedure draws bands at random (NeuSurfEmb); sorting the ratios finds the best one exactly.
    Raises ScaleError where too few agree.
    """
    ratios = np.sort(ratios[np.isfinite(ratios) & (ratios > 0)])
    if len(ratios) >= config.min_depth_ratios:
        half = config.depth_band * float(np.median(ratios))
        low, high = np.searchsorted(ratios, ratios - half), np.searchsorted(ratios, ratios + half, side="right")
        best = int((high - low).argmax())
        inliers = ratios[low[best] : high[best]]
        if len(inliers) >= max(config.min_depth_ratios / 2, 0.05 * len(ratios)):
            return Scale(float(inliers.mean()), "depth", float(inliers.std() / inliers.mean() / np.sqrt(len(inliers))))
    raise ScaleError(
        f"the depth frames and the cameras agree on no scale ({len(ratios)} measurements)",
        try_next="check that depth is registered to the photos and that its unit is right (default: 16-bit millimetres)",
    )


def depth_ratios(
    views: Sequence[View], points: SparsePoints, lenses: dict[str, PhotoLens], folder: Path, unit_m: float
) -> Float[ndarray, "n"]:
    """Sensor depth over SfM z-depth, for every sparse observation that has depth. views: all those of the SfM, in its order.

    Raises ScaleError where no photo has depth, ImageError where a frame has another size than its photo.
    """
    ratios = []
    for index, view in enumerate(views):
        path = next((p for p in (folder / f"{view.name}{end}" for end in (".png", ".npy", ".tif", ".tiff")) if p.exists()), None)
        if path is None:
            continue
        depth, lens = read_depth(path, unit_m), lenses[view.name]
        if depth.shape != (lens.camera.height, lens.camera.width):
            raise ImageError(
                f"depth {path.name} is {depth.shape[1]}x{depth.shape[0]}, its photo {lens.camera.width}x{lens.camera.height}",
                try_next="register the depth to the photo and give it the photo's size",
            )
        seen = points.xyz[points.point_index[points.view_index == index]]
        pixels = lens.from_view(view.project(seen), view.camera)
        z = view.cam_from_world.apply(seen)[:, 2]
        inside = lens.camera.contains(pixels)
        column, row = pixels[inside].round().astype(int).T
        measured = depth[row, column]
        ratios.append((measured / z[inside])[measured > 0])
    if not ratios:
        raise ScaleError("no photo has a depth frame", try_next="name depth files like their photos (IMG_1.jpg, IMG_1.png)")
    return np.concatenate(ratios)

"""How well the finished mesh and its colours show what photos show that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer, make_rasterizer
from reconstruction.scene import Mesh
from reconstruction.scene.images import write_photo
from reconstruction.sdf.labels import OBJECT, OUTSIDE, TOLD
from reconstruction.sdf.model import SurfaceModel
from reconstruction.sdf.rays import Window


class Renderer:
    """The mesh in a camera, each pixel coloured by the field: what the synthetic views are made of."""

    def __init__(self, model: SurfaceModel, mesh: Mesh) -> None:
        self.model, self.mesh = model, mesh
        self.rasterizer: Rasterizer = make_rasterizer(mesh)

    def show(self, window: Window) -> tuple[Float[ndarray, "h w 3"], Float[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
        """RGB in [0, 1], normals in the object frame, and where the object is."""
        raster = self.rasterizer.render(window.camera, window.view.cam_from_world)
        seen = raster.mask
        normals = raster.interpolate(self.mesh.vertex_normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
        points = raster.coordinates()[seen]
        directions = points - window.view.centre_world
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        colour = np.zeros(normals.shape, np.float32)
        if seen.any():
            colour[seen] = self.model.shade(points, directions, normals[seen])
        return colour, normals, seen


@dataclass(frozen=True)
class HeldOutScore:
    """PSNR inside the mask (dB), the same after a gain and offset per channel, and the outlines' IoU."""

    photo: str
    psnr: float
    psnr_exposed: float
    iou: float


def compare(renderer: Renderer, windows: Sequence[Window]) -> list[HeldOutScore]:
    """One a photo that shows the object."""
    rows = []
    for window in windows:
        colour, _, seen = renderer.show(window)
        inner, known = window.labels == OBJECT, window.labels < TOLD
        if not inner.any():
            continue
        truth, shown = window.photo[inner] / 255, colour[inner]
        both = (window.labels != OUTSIDE) & known
        overlap = (seen & both).sum() / max(1, ((seen & known) | both).sum())
        scores = (_psnr(shown, truth), _psnr(_exposed(shown, truth), truth), float(overlap))
        rows.append(HeldOutScore(window.view.name, *(round(score, 4) for score in scores)))
    return rows


def mean_scores(scores: Sequence[HeldOutScore]) -> dict[str, float]:
    """Over the photos; empty where there are none."""
    names = ("psnr", "psnr_exposed", "iou") if scores else ()
    return {name.replace("psnr", "psnr_heldout").replace("iou", "iou_heldout"): _mean(scores, name) for name in names}


def _mean(scores: Sequence[HeldOutScore], name: str) -> float:
    return round(float(np.mean([getattr(score, name) for score in scores])), 4)


def _psnr(shown: Float[ndarray, "n 3"], truth: Float[ndarray, "n 3"]) -> float:
    return float(-10 * np.log10(max(1e-10, np.mean((shown - truth) ** 2))))


def _exposed(shown: Float[ndarray, "n 3"], truth: Float[ndarray, "n 3"]) -> Float[ndarray, "n 3"]:
    """Least-squares gain and offset of each channel: photos differ in exposure, and a held-out one's is not known."""
    channels = []
    for channel in range(3):
        design = np.stack([shown[:, channel], np.ones(len(shown))], 1)
        channels.append(design @ np.linalg.lstsq(design, truth[:, channel], rcond=None)[0])
    return np.stack(channels, 1)


def write_preview(path: Path, renderer: Renderer, windows: Sequence[Window], height: int = 240) -> None:
    """A sheet: one column a photo; above the photo, in the middle what the surface shows, below its normals."""
    columns = []
    for window in windows:
        colour, normals, seen = renderer.show(window)
        shaded = np.where(seen[..., None], normals / 2 + 0.5, 1.0)
        tiles = [window.photo, _bytes(np.where(seen[..., None], colour, 1.0)), _bytes(shaded)]
        width = max(1, round(height * window.camera.width / window.camera.height))
        columns.append(np.concatenate([cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA) for tile in tiles]))
    write_photo(path, np.concatenate(columns, 1))


def _bytes(values: Float[ndarray, "h w 3"]) -> UInt8[ndarray, "h w 3"]:
    return (values * 255).clip(0, 255).astype(np.uint8)

"""The demo's pictures: the mesh from all sides, the masks, the estimates drawn over the images."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Raster, make_rasterizer
from reconstruction.scene import Camera, Mesh, View
from reconstruction.scene.transforms import look_at

Picture = UInt8[ndarray, "h w 3"]
GREEN, RED = (70, 220, 110), (235, 70, 60)


def turntable(mesh: Mesh, count: int = 6, size: int = 320, elevation_deg: float = 25) -> Picture:
    """`count` views round the mesh: its colours above, its bare shape below. A negative elevation looks from below. 2 x 2 rays a pixel."""
    rasterizer = make_rasterizer(mesh)
    lower, upper = mesh.bounds
    centre, fine = (lower + upper) / 2, 2 * size
    camera = Camera(fine, fine, 2.7 * fine, 2.7 * fine, fine / 2 - 0.5, fine / 2 - 0.5)
    colored, bare = [], []
    for k in range(count):
        a, e = 2 * np.pi * k / count, np.radians(elevation_deg)
        eye = centre + 3.0 * mesh.diameter * np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
        cam_from_obj = look_at(eye, centre, np.array([0.0, 0.0, 1.0]))
        raster = rasterizer.render(camera, cam_from_obj)
        light = _headlight(raster, mesh, cam_from_obj.rotation)
        colors = np.full((len(mesh.vertices), 3), 190) if mesh.colors is None else mesh.colors
        colored.append(_on_white(raster.interpolate(colors.astype(np.float32)), raster.mask, size))
        bare.append(_on_white(light[..., None] * np.array([205, 212, 222]), raster.mask, size))
    return np.vstack([np.hstack(colored), np.hstack(bare)])


def mask_sheet(views: Sequence[View], count: int = 12) -> Picture:
    """Photos spread over the capture: outside the mask darkened, its outline drawn."""
    masked = [view for view in views if view.mask_path is not None]
    chosen = [masked[i] for i in np.unique(np.linspace(0, len(masked) - 1, count).round().astype(int))]
    return grid([outlined(view.photo(), mask) for view in chosen if (mask := view.mask()) is not None], 4)


def outlined(photo: Picture, mask: Bool[ndarray, "h w"]) -> Picture:
    picture = np.where(mask[..., None], photo, photo // 3).astype(np.uint8)
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, contours, -1, GREEN, 2)
    return picture


def framed(picture: Picture, text: str, good: bool) -> Picture:
    """With a coloured border and a line of text in the corner."""
    color, out = GREEN if good else RED, picture.copy()
    cv2.rectangle(out, (0, 0), (out.shape[1] - 1, out.shape[0] - 1), color, 8)
    cv2.putText(out, text, (18, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 5, cv2.LINE_AA)
    cv2.putText(out, text, (18, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, color, 2, cv2.LINE_AA)
    return out


def grid(pictures: Sequence[Picture], columns: int, width: int = 400) -> Picture:
    """Contact sheet, rows filled from the left; all pictures as wide as `width`, as high as the first."""
    height = round(width * pictures[0].shape[0] / pictures[0].shape[1])
    small = [cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in pictures]
    small += [np.full_like(small[0], 255)] * (-len(small) % columns)
    return np.vstack([np.hstack(small[i : i + columns]) for i in range(0, len(small), columns)])


def _headlight(raster: Raster, mesh: Mesh, cam_from_obj_rotation: ndarray) -> ndarray:
    normals = raster.interpolate((mesh.vertex_normals @ cam_from_obj_rotation.T).astype(np.float32))
    lamp = np.array([-0.35, -0.5, -0.79], np.float32)
    return np.asarray((0.4 + 0.6 * np.clip(normals @ lamp, 0, 1)).astype(np.float32))


def _on_white(image: ndarray, mask: Bool[ndarray, "h w"], size: int) -> Picture:
    filled = np.where(mask[..., None], image, np.float32(255))
    return cv2.resize(filled, (size, size), interpolation=cv2.INTER_AREA).clip(0, 255).astype(np.uint8)

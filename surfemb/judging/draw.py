"""A pose drawn over its image: silhouette, lines of equal object coordinates, axes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform

_FINE = 2  # drawn at twice the resolution, then averaged: antialiased lines
_AXES = ((235, 64, 52), (60, 190, 90), (70, 110, 245))


def draw_pose(
    image: UInt8[ndarray, "h w 3"],
    camera: Camera,
    mesh: Mesh,
    cam_from_obj: RigidTransform,
    color: tuple[int, int, int] = (80, 255, 120),
) -> UInt8[ndarray, "h w 3"]:
    """A copy of the RGB image with the mesh's contour, a net of lines every eighth of the diameter, and the axes.

    x is red, y green, z blue. The object may lie partly or wholly outside the image.
    """
    window = _window(camera, mesh, cam_from_obj)
    if window is None:
        return image.copy()
    x0, y0, width, height = window
    fine = camera.cropped(x0, y0, width, height).resized(_FINE * width, _FINE * height)
    raster = make_rasterizer(mesh).render(fine, cam_from_obj)
    opacity = np.where(_net_lines(raster.coordinates(), raster.mask, mesh.diameter / 8), np.float32(0.45), np.float32(0))
    contours, _ = cv2.findContours(raster.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(opacity, contours, -1, 1.0, _FINE * max(1, round(max(image.shape) / 900)))
    opacity = cv2.resize(opacity, (width, height), interpolation=cv2.INTER_AREA)[..., None]
    canvas = image.copy()
    part = canvas[y0 : y0 + height, x0 : x0 + width]
    part[:] = (part * (1 - opacity) + np.array(color) * opacity).round().astype(np.uint8)
    _draw_axes(canvas, camera, cam_from_obj, 0.4 * mesh.diameter)
    return canvas


def _window(camera: Camera, mesh: Mesh, cam_from_obj: RigidTransform) -> tuple[int, int, int, int] | None:
    """The part of the image that the object covers: x0, y0, width, height."""
    pixels = camera.project(cam_from_obj.apply(mesh.vertices))
    pixels = pixels[np.isfinite(pixels).all(1)]
    if not len(pixels):
        return None
    size = np.array([camera.width, camera.height])
    low = (np.floor(pixels.min(0)).astype(int) - 4).clip(0, size)
    high = (np.ceil(pixels.max(0)).astype(int) + 5).clip(0, size)
    return None if (high - low).min() < 1 else (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def _net_lines(coordinates: Float[ndarray, "h w 3"], mask: ndarray, step: float) -> ndarray:
    """Pixels where an object coordinate passes a multiple of `step` from one pixel to the next."""
    cell = np.floor(coordinates / step).astype(int)
    lines = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        changes = (np.diff(cell, axis=axis) != 0).any(-1)
        both = np.minimum(mask[1:], mask[:-1]) if axis == 0 else np.minimum(mask[:, 1:], mask[:, :-1])
        target = lines[1:] if axis == 0 else lines[:, 1:]
        target |= changes & both
    return lines


def _draw_axes(canvas: ndarray, camera: Camera, cam_from_obj: RigidTransform, length: float) -> None:
    ends = camera.project(cam_from_obj.apply(np.concatenate([np.zeros((1, 3)), length * np.eye(3)])))
    if not np.isfinite(ends).all():
        return
    points = np.round(ends * 16).astype(int).clip(-(2**20), 2**20)  # 4 fractional bits
    thickness = max(1, round(max(canvas.shape) / 600))
    for end, color in zip(points[1:], _AXES, strict=True):
        cv2.line(canvas, tuple(map(int, points[0])), tuple(map(int, end)), color, thickness, cv2.LINE_AA, 4)

"""What an estimate is given, checked before anything is computed."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.errors import ImageError, InputError
from reconstruction.scene import Camera

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels


def as_rgb(image: ndarray) -> UInt8[ndarray, "h w 3"]:
    """Grey is repeated, alpha dropped. Raises ImageError for anything but 8-bit pixels of a real image."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or min(image.shape[:2]) < 8:
        raise ImageError(f"an image of {image.dtype} {image.shape} can't be used", try_next="give 8-bit RGB pixels, height x width x 3")
    grey_or_color = image[..., None] if image.ndim == 2 else image
    channels = grey_or_color.shape[2]
    if channels not in (1, 2, 3, 4):
        raise ImageError(f"an image with {channels} channels can't be used", try_next="give RGB")
    return np.repeat(grey_or_color[..., :1], 3, 2) if channels < 3 else np.ascontiguousarray(grey_or_color[..., :3])


def check_inputs(image: ndarray, camera: Camera, boxes: list[Box] | None) -> None:
    """Raises InputError for a camera of another image or a box that holds no part of it."""
    if image.shape[:2] != (camera.height, camera.width):
        raise InputError(
            f"the image is {image.shape[1]}x{image.shape[0]}, its camera {camera.width}x{camera.height}",
            try_next="give the camera matrix of this very image",
        )
    camera.check()
    for box in boxes or ():
        x0, y0, x1, y1 = box
        if not (np.isfinite(box).all() and x1 > x0 and y1 > y0):
            raise InputError(f"the box {tuple(box)} has no area", try_next="give x0,y0,x1,y1 in pixels with x0 < x1 and y0 < y1")
        inside_x, inside_y = min(x1, camera.width - 0.5) - max(x0, -0.5), min(y1, camera.height - 0.5) - max(y0, -0.5)
        if inside_x <= 0 or inside_y <= 0:
            raise InputError(f"the box {tuple(box)} lies outside the image", try_next="give pixels of this very image")
        if max(inside_x, inside_y) < 8:
            raise InputError(f"the box {tuple(box)} shows fewer than 8 pixels", try_next="give a larger image or a larger box")


def touches(box: Box, camera: Camera) -> bool:
    """Whether any of the box lies in the image."""
    return min(box[2], box[3]) > 0 and box[0] < camera.width and box[1] < camera.height

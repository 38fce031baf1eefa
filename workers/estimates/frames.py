"""An image file and what is known about its camera -> the undistorted frame that the estimator wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.capture import Box
from reconstruction.errors import ImageError, InputError
from reconstruction.scene import Camera, Lens
from reconstruction.scene.images import box_of_mask, exif_focal_px, read_depth, read_photo

TRUST = {"given": 1.0, "exif": 0.9, "guessed": 0.5}
"""What a score is multiplied by: a focal length that is 3 % off puts an object five diameters away at a wrong distance by 0.15."""
PINHOLE = Lens()
GUESSED_FOCAL = 0.75  # of the longer side: a phone's main camera, about 27 mm on 35 mm film


@dataclass(frozen=True)
class Frame:
    """A pinhole image. `camera_source` says where its intrinsics come from; boxes are in its pixels."""

    image: UInt8[ndarray, "h w 3"]
    camera: Camera
    camera_source: Literal["given", "exif", "guessed"]
    boxes: list[Box] | None = None
    depth: Float[ndarray, "h w"] | None = None
    lens: Lens = PINHOLE

    @property
    def believe_depth(self) -> bool:
        """A focal length that is not exact gives wrong distances, which depth is not to be measured by."""
        return self.camera_source != "given"

    def as_sent(self, mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
        """A mask of this frame in the pixels of the image that was sent, lens and all. What the frame has not is not in it."""
        box = box_of_mask(mask)
        if self.lens.is_pinhole or box is None:
            return mask
        rows, columns = np.nonzero(mask)
        bent = self.lens.distort_pixels(np.stack([columns, rows], -1).astype(float), self.camera)
        x0, y0 = np.maximum(np.floor(bent.min(0)), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(bent.max(0)) + 1, mask.shape[::-1]).astype(int)
        window = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), -1)  # (h, w, 2) pixels as sent
        straight = np.rint(self.lens.undistort_pixels(window.reshape(-1, 2), self.camera)).astype(int)
        inside = self.camera.contains(straight.astype(float))
        sent = np.zeros_like(mask)
        seen = np.zeros(len(straight), bool)
        seen[inside] = mask[straight[inside, 1], straight[inside, 0]]
        sent[y0:y1, x0:x1] = seen.reshape(window.shape[:2])
        return sent

    def trusted(self, pose: Any) -> Any:
        """A pose (a dataclass with a score) estimated in this frame, less sure where the camera is not sure."""
        return replace(pose, score=TRUST[self.camera_source] * pose.score)


def load_frame(
    path: Path,
    intrinsics: Sequence[float] | None = None,
    distortion: Sequence[float] = (),
    boxes: Sequence[Sequence[float]] | None = None,
    depth_path: Path | None = None,
    depth_unit_m: float = 0.001,
) -> Frame:
    """Reads and undistorts.

    `intrinsics`: fx, fy, cx, cy or the nine numbers of K, in pixels of this image; None: from EXIF, else guessed.
    `distortion`: OpenCV's k1, k2, p1, p2[, k3]. `boxes`: x0, y0, x1, y1 in the image as given.
    Raises ImageError, and InputError for a camera, a lens or a box that does not fit the image.
    """
    image = read_photo(path)
    height, width = image.shape[:2]
    camera, source = _camera(path, intrinsics, width, height)
    if len(distortion) not in (0, 4, 5):
        raise InputError(f"{len(distortion)} distortion numbers were given", try_next="give k1,k2,p1,p2 or k1,k2,p1,p2,k3")
    lens = Lens(*distortion)
    depth = None
    if depth_path is not None:
        depth = read_depth(depth_path, depth_unit_m)
        if depth.shape != (height, width):
            raise ImageError(
                f"{depth_path.name} has {depth.shape[1]}x{depth.shape[0]} pixels, its image {width}x{height}",
                try_next="give depth that is registered to the image, of the same size",
            )
        depth = lens.undistort(depth, camera, nearest=True)
    straight = None if boxes is None else [_undistorted_box(_checked(box, width, height), lens, camera) for box in boxes]
    return Frame(lens.undistort(image, camera), camera, source, straight, depth, lens)


def _camera(path: Path, intrinsics: Sequence[float] | None, width: int, height: int) -> tuple[Camera, Literal["given", "exif", "guessed"]]:
    if intrinsics is None:
        focal = exif_focal_px(path)
        guess = focal or GUESSED_FOCAL * max(width, height)
        return Camera(width, height, guess, guess, (width - 1) / 2, (height - 1) / 2), "exif" if focal else "guessed"
    numbers = [float(v) for v in intrinsics]
    if len(numbers) == 9:
        fx, skew, cx, zero_a, fy, cy, zero_b, zero_c, one = numbers
        if any(abs(v) > 1e-6 for v in (skew, zero_a, zero_b, zero_c, one - 1)):
            raise InputError("K is not of the form [fx, 0, cx, 0, fy, cy, 0, 0, 1]", try_next="give it row by row, without skew")
        numbers = [fx, fy, cx, cy]
    if len(numbers) != 4:
        raise InputError(f"a camera has 4 or 9 numbers, not {len(numbers)}", try_next="give fx,fy,cx,cy in pixels")
    camera = Camera(width, height, *numbers)
    camera.check()
    return camera, "given"


def _checked(box: Sequence[float], width: int, height: int) -> Box:
    if len(box) != 4 or not np.isfinite(box).all() or not (box[2] > box[0] and box[3] > box[1]):
        raise InputError(f"{tuple(box)} is not a box", try_next="give x0,y0,x1,y1 in pixels with x0 < x1 and y0 < y1")
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        raise InputError(f"the box {tuple(box)} lies outside the {width}x{height} image", try_next="give it in pixels of this very image")
    return (box[0], box[1], box[2], box[3])


def _undistorted_box(box: Box, lens: Lens, camera: Camera) -> Box:
    """The box around the undistorted outline: straight edges bend, so more than the corners counts."""
    x, y = np.linspace(box[0], box[2], 9), np.linspace(box[1], box[3], 9)
    outline = np.concatenate(
        [np.stack([x, np.full(9, edge)], -1) for edge in box[1::2]] + [np.stack([np.full(9, edge), y], -1) for edge in box[0::2]]
    )
    straight = lens.undistort_pixels(outline, camera)
    (x0, y0), (x1, y1) = straight.min(0), straight.max(0)
    return (float(x0), float(y0), float(x1), float(y1))

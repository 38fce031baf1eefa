"""Where might the object be? The query network over an image pyramid, blobs of its mask, their own consistency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import cv2
import numpy as np
import poselib
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.scene import Camera
from surfemb.estimation.correspondences import QueryModel, Surface, query_pixels
from surfemb.estimation.inputs import Box

_STRIDE = 2
_SAME = 0.6  # overlap of two boxes around one thing


class Boxed(Protocol):
    @property
    def box(self) -> Box: ...


B = TypeVar("B", bound=Boxed)


@dataclass(frozen=True)
class SearchConfig:
    """smallest, largest: the object's longer side as a share of the image's longer side. step: between two levels of the pyramid.

    max_blobs: per level, checked for consistent correspondences; what these agree on little is kept, since a little-trained network
    has right ones there too. candidates: boxes of all levels so far that are handed on to a full estimate. max_pixels: of a level.
    """

    smallest: float = 0.06
    largest: float = 0.7
    step: float = 1.6
    min_mask: float = 0.4
    max_blobs: int = 8
    max_pixels: int = 1_500_000
    candidates: int = 4

    def for_instances(self, count: int) -> SearchConfig:
        """Twice as many blobs and candidates as there may be instances, at least."""
        return replace(self, max_blobs=max(self.max_blobs, 2 * count), candidates=max(self.candidates, 2 * count))


@dataclass(frozen=True)
class _Candidate:
    box: Box
    support: float


def find_boxes(
    model: QueryModel, surface: Surface, image: UInt8[ndarray, "h w 3"], camera: Camera, object_px: float, config: SearchConfig
) -> Iterator[list[Box]]:
    """Boxes likely to hold the object, best first, level by level of a pyramid: what is small in the image comes last, and takes longest.

    Empty where nothing looks like it; no box is given again. `object_px` is the longer side that the network knows best: each level
    brings one apparent size to it.
    """
    found: list[_Candidate] = []
    given: list[_Candidate] = []
    for scale in _scales(image.shape[:2], object_px, config):
        found += _level(model, surface, image, camera, scale, object_px, config)
        best = apart(sorted(found, key=lambda c: -c.support), config.candidates, _SAME)
        new = [candidate for candidate in best if all(overlap(candidate.box, old.box) < _SAME for old in given)]
        given += new
        yield [candidate.box for candidate in new]


def _scales(shape: tuple[int, int], object_px: float, config: SearchConfig) -> list[float]:
    """From the coarsest level to the finest that is not too large."""
    count = 1 + int(np.log(config.largest / config.smallest) / np.log(config.step) + 0.5)
    scales = [object_px / (config.smallest * config.step**i * max(shape)) for i in reversed(range(count))]
    return [scale for scale in scales if scale**2 * shape[0] * shape[1] <= config.max_pixels]


def _level(
    model: QueryModel,
    surface: Surface,
    image: UInt8[ndarray, "h w 3"],
    camera: Camera,
    scale: float,
    object_px: float,
    config: SearchConfig,
) -> list[_Candidate]:
    """Candidates whose apparent size at this scale is about `object_px`."""
    height, width = (max(16, round(n * scale / 16) * 16) for n in image.shape[:2])
    small = camera.resized(width, height)
    pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    masks, queries = query_pixels(model, pixels[None])
    likely = (masks[0] > config.min_mask).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(likely)
    area = stats[1:, cv2.CC_STAT_AREA]
    fitting = np.flatnonzero((area > 0.03 * object_px**2) & (area < 4 * object_px**2)) + 1
    fitting = fitting[np.argsort(-stats[fitting, cv2.CC_STAT_AREA], kind="stable")][: config.max_blobs]
    back = np.array([camera.width / width, camera.height / height] * 2)
    found = []
    for label in fitting:
        candidate = _check_blob(labels == label, queries[0], surface, small, object_px)
        if candidate is not None:
            box = (np.array(candidate.box) + 0.5) * back - 0.5
            found.append(_Candidate((float(box[0]), float(box[1]), float(box[2]), float(box[3])), candidate.support))
    return found


def _check_blob(blob: ndarray, queries: Float[ndarray, "h w e"], surface: Surface, camera: Camera, object_px: float) -> _Candidate | None:
    """The box of the pose that the blob's most likely correspondences agree on; None where they agree on nothing."""
    rows, columns = np.nonzero(blob[::_STRIDE, ::_STRIDE])
    rows, columns = _STRIDE * rows, _STRIDE * columns
    if len(rows) < 8:
        return None
    best = (queries[rows, columns] @ surface.keys.T).argmax(1)
    pixels = np.stack([columns, rows], -1).astype(float)
    pinhole = {"model": "PINHOLE", "width": camera.width, "height": camera.height, "params": [camera.fx, camera.fy, camera.cx, camera.cy]}
    options = {"max_reproj_error": 0.06 * object_px, "max_iterations": 200, "min_iterations": 50, "seed": 0}
    pose, info = poselib.estimate_absolute_pose(pixels, surface.points[best], pinhole, options, {})
    inliers = np.asarray(info["inliers"], bool)
    if inliers.sum() < 8:
        return None
    projected = camera.project(surface.points @ pose.R.T + pose.t)
    if not np.isfinite(projected).all():
        return None
    box = np.concatenate([projected.min(0), projected.max(0)])
    ratio = max(box[2] - box[0], box[3] - box[1]) / object_px
    if not 0.5 < ratio < 2.0:
        return None
    return _Candidate((float(box[0]), float(box[1]), float(box[2]), float(box[3])), float(inliers.sum()) * float(inliers.mean()))


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def apart(best_first: Iterable[B], most: int, same: float) -> list[B]:
    """The first ones, none over an earlier one: two boxes overlap by less than `same`."""
    kept: list[B] = []
    for one in best_first:
        if len(kept) < most and all(overlap(one.box, other.box) < same for other in kept):
            kept.append(one)
    return kept

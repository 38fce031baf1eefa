"""What is painted on the object: SIFT features inside the masks, each with the point of the hull that it lies on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from reconstruction.joining.half import Half
from reconstruction.rasterizers import Rasterizer, make_rasterizer


@dataclass(frozen=True, eq=False)
class Features:
    """Of one capture. view: index of the photo. pixels: in it. points: on the hull, in the capture's frame.

    descriptors: RootSIFT (Arandjelovic and Zisserman, CVPR 2012), so that their dot product is a similarity.
    """

    view: Int[ndarray, "n"]
    pixels: Float[ndarray, "n 2"]
    points: Float[ndarray, "n 3"]
    descriptors: Float[ndarray, "n 128"]


@dataclass(frozen=True, eq=False)
class Matches:
    """Row k: feature `first[k]` of the first capture looks like feature `second[k]` of the second; `pair` numbers the two photos."""

    first: Int[ndarray, "m"]
    second: Int[ndarray, "m"]
    pair: Int[ndarray, "m"]

    def taken(self, rows: ndarray) -> Matches:
        return Matches(self.first[rows], self.second[rows], self.pair[rows])

    def __len__(self) -> int:
        return len(self.first)


def find_features(half: Half, chosen: Sequence[int], px: int, most: int, done: Callable[[int], None] = lambda _: None) -> Features:
    """At most `most` in each chosen photo, whose part with the object is shrunk to `px` pixels."""
    rasterizer, rows = make_rasterizer(half.hull.mesh()), []
    for count, index in enumerate(chosen):
        found = _in_photo(half, index, px, most, rasterizer)
        if found is not None:
            rows.append(found)
        done(count + 1)
    if not rows:
        return Features(np.zeros(0, int), np.zeros((0, 2)), np.zeros((0, 3)), np.zeros((0, 128), np.float32))
    return Features(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _in_photo(half: Half, index: int, px: int, most: int, rasterizer: Rasterizer) -> tuple[ndarray, ndarray, ndarray, ndarray] | None:
    view, mask = half.views[index], half.masks[index]
    rows, columns = np.nonzero(mask)
    if len(rows) < 64:
        return None
    x0, y0 = max(0, columns.min() - 4), max(0, rows.min() - 4)
    cut = np.s_[y0 : rows.max() + 5, x0 : columns.max() + 5]
    grey, inner = cv2.cvtColor(view.photo()[cut], cv2.COLOR_RGB2GRAY), mask[cut].astype(np.uint8)
    shrink = min(1.0, px / max(grey.shape))
    size = (max(8, round(grey.shape[1] * shrink)), max(8, round(grey.shape[0] * shrink)))
    camera = view.camera.cropped(int(x0), int(y0), grey.shape[1], grey.shape[0]).resized(*size)
    grey, inner = cv2.resize(grey, size, interpolation=cv2.INTER_AREA), cv2.resize(inner, size, interpolation=cv2.INTER_NEAREST)
    inner = cv2.erode(inner, np.ones((3, 3), np.uint8), iterations=2)  # the outline itself belongs to the background as well
    # without precise upscaling keypoints are a quarter of a pixel off, the other way in a photo that is turned over
    sift = cv2.SIFT.create(most, contrastThreshold=0.02, enable_precise_upscale=True)
    keypoints, descriptors = sift.detectAndCompute(grey, inner)
    if not keypoints:
        return None
    pixels = np.array([k.pt for k in keypoints])
    column, row = pixels.round().astype(int).T.clip(0, [[size[0] - 1], [size[1] - 1]])
    depth = rasterizer.render(camera, view.cam_from_world).depth[row, column].astype(float)
    hit = depth > 0
    points = view.cam_from_world.inverse().apply(camera.unproject(pixels[hit], depth[hit]))
    root = np.sqrt(descriptors[hit] / np.maximum(descriptors[hit].sum(1, keepdims=True), 1e-9)).astype(np.float32)
    return np.full(int(hit.sum()), index), view.project(points), points, root


def match_features(first: Features, second: Features, ratio: float, done: Callable[[int, int], None] = lambda step, steps: None) -> Matches:
    """Between every photo of the first capture and every one of the second: mutual, and clearly better than the next best (Lowe)."""
    rows, photos = [], np.unique(first.view)
    others = [(int(j), np.flatnonzero(second.view == j)) for j in np.unique(second.view)]
    for count, i in enumerate(photos):
        own = np.flatnonzero(first.view == i)
        for j, theirs in others:
            a, b = _mutual(first.descriptors[own] @ second.descriptors[theirs].T, ratio)
            rows.append((own[a], theirs[b], np.full(len(a), count * len(others) + j)))
        done(count + 1, len(photos))
    if not rows:
        return Matches(*(np.zeros(0, int) for _ in range(3)))
    return Matches(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _mutual(similarity: Float[ndarray, "n m"], ratio: float) -> tuple[Int[ndarray, "k"], Int[ndarray, "k"]]:
    if min(similarity.shape) < 2:
        return np.zeros(0, int), np.zeros(0, int)
    best = similarity.argmax(1)
    row = np.arange(len(best))
    top = similarity[row, best]
    rest = np.partition(similarity, -2, axis=1)[:, -2]
    # |a - b|^2 = 2 - 2 a.b for unit vectors
    clear = (1 - top) < ratio**2 * (1 - rest)
    mutual = similarity.argmax(0)[best] == row
    kept = np.flatnonzero(clear & mutual)
    return kept, best[kept]

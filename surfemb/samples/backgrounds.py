"""What may lie behind and in front of the object: the capture's own surroundings, generated textures, a folder the user names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.scene import View
from reconstruction.scene.images import list_photos, read_photo, write_photo
from surfemb.samples.viewpoints import projected_box

Picture = UInt8[ndarray, "h w 3"]
SIDE_PX = 256


def surroundings(views: Sequence[View], points_obj: Float[ndarray, "n 3"], count: int, seed: int) -> Iterator[Picture]:
    """Square pieces of the photos without the object: neither its mask nor its outline at the known pose, with a margin.

    Fewer than `count` where the object fills the photos. points_obj: the mesh's vertices.
    """
    rng = np.random.default_rng((seed, 1))
    for index, view in enumerate(views):
        wanted = (index + 1) * count // len(views) - index * count // len(views)
        if wanted == 0:
            continue
        photo, taken = view.photo(), _object_area(view, points_obj)
        for _ in range(wanted):
            square = _free_square(taken, rng)
            if square is not None:
                x, y, side = square
                yield cv2.resize(photo[y : y + side, x : x + side], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def _object_area(view: View, points_obj: Float[ndarray, "n 3"]) -> Bool[ndarray, "h w"]:
    mask = view.mask()
    taken = np.zeros((view.camera.height, view.camera.width), np.uint8) if mask is None else mask.astype(np.uint8)
    box = projected_box(view.camera, view.cam_from_world, points_obj)
    if box is not None:
        margin = 0.05 * max(box[2] - box[0], box[3] - box[1])
        corner_a, corner_b = (int(box[0] - margin), int(box[1] - margin)), (int(box[2] + margin), int(box[3] + margin))
        cv2.rectangle(taken, corner_a, corner_b, 1, -1)
    return taken > 0


def _free_square(taken: Bool[ndarray, "h w"], rng: np.random.Generator, attempts: int = 30) -> tuple[int, int, int] | None:
    """(x, y, side) of a random square without a taken pixel; the squares get smaller with the attempts."""
    height, width = taken.shape
    for attempt in range(attempts):
        largest = 0.8 - 0.6 * attempt / attempts
        side = max(16, int(min(height, width) * rng.uniform(0.15, largest)))
        x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
        if not taken[y : y + side, x : x + side].any():
            return x, y, side
    return None


def texture(rng: np.random.Generator, side: int = SIDE_PX) -> Picture:
    """Coloured noise of several sizes, sometimes cut into flat patches or stripes."""
    layers = np.zeros((side, side, 3), np.float32)
    for cells in (2, 4, 8, 16, 32, 64):
        coarse = rng.normal(size=(cells, cells, 3)).astype(np.float32) * cells ** -rng.uniform(0.2, 1.0)
        layers += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    style = rng.random()
    if style < 0.3:
        layers = np.round(layers * rng.uniform(1, 3))
    elif style < 0.5:
        rows, columns = np.mgrid[:side, :side].astype(np.float32) * (2 * np.pi / side)
        wave = np.sin(rng.uniform(3, 40) * (rows * np.cos(a := rng.uniform(0, np.pi)) + columns * np.sin(a)) + layers[..., 0])
        layers = layers * 0.3 + wave[..., None] * rng.normal(size=3).astype(np.float32)
    if rng.random() < 0.5:  # most things are of one hue
        layers = layers.mean(-1, keepdims=True) + 0.3 * layers
    low, high = np.percentile(layers, (2, 98))
    tint = rng.uniform(0.3, 1.0, 3) * 255
    return ((layers - low) / max(high - low, 1e-6) * tint).clip(0, 255).astype(np.uint8)


def folder_pictures(folder: Path, count: int, seed: int) -> Iterator[Picture]:
    """Square pieces of the folder's photos. Raises ImageError where there are none."""
    paths = list_photos(folder)
    rng = np.random.default_rng((seed, 2))
    for index in range(count):
        photo = read_photo(paths[index % len(paths)])
        side = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
        y, x = (int(rng.integers(0, size - side + 1)) for size in photo.shape[:2])
        yield cv2.resize(photo[y : y + side, x : x + side], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def write_pictures(folder: Path, prefix: str, pictures: Iterator[Picture]) -> int:
    """Writes prefix_0000.jpg and on; returns how many."""
    count = 0
    for count, picture in enumerate(pictures, start=1):
        write_photo(folder / f"{prefix}_{count - 1:04d}.jpg", picture, quality=90)
    return count


@dataclass(frozen=True)
class Backgrounds:
    """Square pictures to paste from. The capture's own are told from the others, since real scenes look like them."""

    own: list[Picture]
    others: list[Picture]

    @classmethod
    def load(cls, folder: Path) -> Backgrounds:
        """Pictures called `capture_*` are the capture's own."""
        paths = list_photos(folder)
        own = [path.name.startswith("capture_") for path in paths]
        pictures = [read_photo(path) for path in paths]
        return cls([p for p, o in zip(pictures, own, strict=True) if o], [p for p, o in zip(pictures, own, strict=True) if not o])

    def pick(self, rng: np.random.Generator, width: int, height: int, own_share: float = 0.5) -> Picture:
        """A random piece, at a random scale, perhaps mirrored."""
        use_own = bool(self.own) and (not self.others or rng.random() < own_share)
        group = self.own if use_own else self.others
        picture = group[int(rng.integers(len(group)))]
        side = int(picture.shape[0] * rng.uniform(0.3, 1))
        x, y = (int(v) for v in rng.integers(0, picture.shape[0] - side + 1, 2))
        piece = cv2.resize(picture[y : y + side, x : x + side], (width, height), interpolation=cv2.INTER_LINEAR)
        return cv2.flip(piece, 1) if rng.random() < 0.5 else piece

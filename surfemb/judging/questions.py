"""What an object's score is learnt from: a held-out photo as it was taken, with things in front of the object, and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from reconstruction.scene import Camera, View
from reconstruction.scene.images import box_of_mask
from surfemb.estimation.inputs import Box
from surfemb.estimation.search import overlap
from surfemb.samples.backgrounds import Backgrounds, surroundings, texture
from surfemb.samples.occluders import Occluder, random_occluder, random_stand_in

Kind = Literal["box", "search", "hidden", "empty", "stranger"]
SHOWING: tuple[Kind, ...] = ("box", "search", "hidden")
"""Kinds whose photos show the object."""
PICTURES = 40  # of either sort, for things that the networks have not seen in training
ATTEMPTS = 20


@dataclass(frozen=True)
class QuestionConfig:
    """Per photo. search: also without a box. hidden: so often with things in front, and so often beyond the border of a part of the
    photo; `visible` of the object is left, from and to.

    empty_boxes: of parts without the object. strangers: photos with something else in the object's place, searched.
    """

    search: bool = True
    hidden: int = 1
    visible: tuple[float, float] = (0.3, 0.8)
    empty_boxes: int = 2
    strangers: int = 1


@dataclass(frozen=True, eq=False)
class Question:
    """boxes: None where the whole photo is searched. The photo may be a part of the view's."""

    kind: Kind
    photo: UInt8[ndarray, "h w 3"]
    camera: Camera
    boxes: list[Box] | None


def unseen_pictures(views: Sequence[View], points_obj: Float[ndarray, "n 3"], seed: int) -> Backgrounds:
    """Pieces of these photos, and textures: none of them from the training, if the photos are not."""
    rng = np.random.default_rng((seed, 4))
    return Backgrounds(list(surroundings(views, points_obj, PICTURES, seed)), [texture(rng) for _ in range(PICTURES)])


def questions(view: View, pictures: Backgrounds, config: QuestionConfig, rng: np.random.Generator) -> Iterator[Question]:
    """Nothing where the mask is too small to ask about."""
    mask, photo = view.mask(), view.photo()
    if mask is None or mask.sum() < 64:
        return
    box = box_of_mask(mask)
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 8:
        return
    yield Question("box", photo, view.camera, [box])
    if config.search:
        yield Question("search", photo, view.camera, None)
    for _ in range(config.hidden):
        hidden = partly_hidden(photo, mask, config.visible, pictures, rng)
        if hidden is not None:
            yield Question("hidden", hidden, view.camera, [box])
        cut = cut_off(photo, mask, view.camera, box, rng.uniform(*config.visible), rng)
        if cut is not None:
            yield cut
    for empty in empty_boxes(view.camera, box, config.empty_boxes, rng):
        yield Question("empty", photo, view.camera, [empty])
    for _ in range(config.strangers):
        strange = _pasted(photo, mask, lambda target: random_stand_in(target, pictures, rng))[0]
        yield Question("stranger", strange, view.camera, None)


def partly_hidden(
    photo: UInt8[ndarray, "h w 3"],
    mask: Bool[ndarray, "h w"],
    visible: tuple[float, float],
    pictures: Backgrounds,
    rng: np.random.Generator,
) -> UInt8[ndarray, "h w 3"] | None:
    """With something in front that leaves a share of the mask between the two; None where none of a few things does."""
    for _ in range(ATTEMPTS):
        hidden, covered = _pasted(photo, mask, lambda target: random_occluder(target, (0.3, 1.0), pictures, rng))
        if visible[0] <= 1 - covered[mask].mean() <= visible[1]:
            return hidden
    return None


def cut_off(
    photo: UInt8[ndarray, "h w 3"], mask: Bool[ndarray, "h w"], camera: Camera, box: Box, visible: float, rng: np.random.Generator
) -> Question | None:
    """A part of the photo that has about this share of the mask, on one side of a row or a column, and the middle of the lens's view.

    None where no part has both.
    """
    for side in rng.permutation(4):
        axis, first = side // 2, bool(side % 2)
        share = np.cumsum(mask.sum(1 - axis)) / mask.sum()
        at = int(np.searchsorted(share, visible if first else 1 - visible)) + 1
        low, high = [0, 0], [*mask.shape]
        (high if first else low)[axis] = at
        (y0, x0), (y1, x1) = low, high
        if x0 <= camera.cx < x1 and y0 <= camera.cy < y1:
            part = camera.cropped(x0, y0, x1 - x0, y1 - y0)
            return Question(
                "hidden", np.ascontiguousarray(photo[y0:y1, x0:x1]), part, [(box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)]
            )
    return None


def _pasted(
    photo: UInt8[ndarray, "h w 3"], mask: Bool[ndarray, "h w"], make: Callable[[Bool[ndarray, "s s"]], Occluder]
) -> tuple[UInt8[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
    """With what `make` puts into a square of twice the mask's longer side around it; and the pixels that it covers."""
    rows, columns = np.nonzero(mask)
    half = int(max(np.ptp(rows), np.ptp(columns))) + 1
    y, x = (int(places.min() + places.max()) // 2 + half for places in (rows, columns))  # the middle, once there is a margin
    square = slice(y - half, y + half), slice(x - half, x + half)
    image = cv2.copyMakeBorder(photo, half, half, half, half, cv2.BORDER_REPLICATE)
    covered = np.zeros(image.shape[:2], bool)
    thing = make(np.pad(mask, half)[square])
    image[square], covered[square] = thing.over(image[square]), thing.covers
    inner = slice(half, -half), slice(half, -half)
    return np.ascontiguousarray(image[inner]), covered[inner]


def empty_boxes(camera: Camera, object_box: Box, count: int, rng: np.random.Generator) -> list[Box]:
    """Boxes about as large as the object's that don't touch it; fewer than `count` where the photo has no room."""
    found: list[Box] = []
    side = max(object_box[2] - object_box[0], object_box[3] - object_box[1])
    for _ in range(50 * count):
        size = side * rng.uniform(0.7, 1.2)
        if len(found) == count:
            break
        if size < 8 or size > min(camera.width, camera.height) - 1:
            continue
        x, y = rng.uniform(0, camera.width - 1 - size), rng.uniform(0, camera.height - 1 - size)
        box = (float(x), float(y), float(x + size), float(y + size))
        if overlap(box, object_box) == 0:
            found.append(box)
    return found

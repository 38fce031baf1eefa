"""Made-up things that stand in front of the object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from surfemb.samples.backgrounds import Backgrounds

_ANCHORS = np.array([(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0) if (x, y) != (0.5, 0.5)])


@dataclass(frozen=True, eq=False)
class Occluder:
    """A filled shape in a crop; alpha is 255 where it hides everything."""

    picture: UInt8[ndarray, "s s 3"]
    alpha: UInt8[ndarray, "s s"]

    @property
    def covers(self) -> Bool[ndarray, "s s"]:
        return self.alpha > 127

    def over(self, image: UInt8[ndarray, "s s 3"]) -> UInt8[ndarray, "s s 3"]:
        weight = cv2.cvtColor(self.alpha, cv2.COLOR_GRAY2RGB)
        return cv2.add(cv2.multiply(self.picture, weight, scale=1 / 255), cv2.multiply(image, 255 - weight, scale=1 / 255))


def random_occluder(
    target: Bool[ndarray, "s s"], area: tuple[float, float], backgrounds: Backgrounds, rng: np.random.Generator
) -> Occluder:
    """About a corner or an edge of the target's box, with `area` times that box's area and sides of at most 5:1."""
    corner, extent = _box(target)
    aspect = np.exp(rng.uniform(-1, 1) * np.log(5) / 2)
    size = np.sqrt(rng.uniform(*area) * extent.prod()) * np.array([aspect, 1 / aspect])
    centre = corner + extent * (_ANCHORS[rng.integers(len(_ANCHORS))] + rng.normal(0, 0.1, 2))
    return _made_up(_filled(target.shape, centre, _outline(size, rng)), backgrounds, rng)


def random_stand_in(target: Bool[ndarray, "s s"], backgrounds: Backgrounds, rng: np.random.Generator) -> Occluder:
    """Something else in the target's place, about as large, that shows nothing of it."""
    corner, extent = _box(target)
    alpha = _filled(target.shape, corner + extent / 2, _outline(extent * rng.uniform(0.9, 1.3, 2), rng))
    return _made_up(np.maximum(alpha, cv2.dilate(target.astype(np.uint8) * 255, np.ones((7, 7), np.uint8))), backgrounds, rng)


def _made_up(alpha: UInt8[ndarray, "s s"], backgrounds: Backgrounds, rng: np.random.Generator) -> Occluder:
    return Occluder(backgrounds.pick(rng, len(alpha), len(alpha), own_share=0.6), cv2.blur(alpha, (3, 3)))


def _box(target: Bool[ndarray, "s s"]) -> tuple[Float[ndarray, "2"], Float[ndarray, "2"]]:
    """Least corner and extent, x and y; of the whole square where there is no target."""
    rows, columns = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    if len(rows) == 0:
        rows = columns = np.array([0, len(target) - 1])
    return np.array([columns[0], rows[0]]), np.array([columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1])


def _filled(shape: tuple[int, ...], centre: Float[ndarray, "2"], outline: ndarray) -> UInt8[ndarray, "s s"]:
    alpha = np.zeros(shape, np.uint8)
    cv2.fillPoly(alpha, [outline + centre.round().astype(np.int32)], 255)
    return alpha


def _outline(size_px: ndarray, rng: np.random.Generator) -> ndarray:
    """A turned box, an ellipse or a blob as a polygon about the origin, (n, 2) int32."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], -1)
    kind = rng.integers(3)
    if kind == 0:
        circle = circle / np.abs(circle).max(1, keepdims=True)
    elif kind == 2:
        waves = sum(rng.normal(0, 0.25 / k) * np.cos(k * angles + rng.uniform(0, 2 * np.pi)) for k in range(2, 6))
        circle = circle * np.exp(waves)[:, None]
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray((circle * size_px / 2 @ rotation.T).round(), np.int32)

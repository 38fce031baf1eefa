"""Placements close to one another: when two are the same one, and small changes for least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.scene import Similarity
from reconstruction.scene.transforms import rotation_error_deg

APART_DEG = 20.0  # placements that differ by less are the same one


def differ(one: Similarity, other: Similarity, points: Float[ndarray, "n 3"]) -> bool:
    """Whether two placements turn the object otherwise, or put it a tenth of its size elsewhere."""
    if rotation_error_deg(one.rotation, other.rotation) > APART_DEG:
        return True
    middle = points.mean(0)
    return float(np.linalg.norm(one.apply(other.inverse().apply(middle)) - middle)) > 0.1 * float(np.ptp(points, axis=0).max())


@dataclass(frozen=True, eq=False)
class Nudge:
    """Small changes of a placement, for least squares: turned about `middle` (first's frame), moved in units of `size`, scaled."""

    guess: Similarity
    middle: Float[ndarray, "3"]
    size: float

    def __call__(self, step: Float[ndarray, "6 or 7"]) -> Similarity:
        """step: rotation vector, shift and, where given, the logarithm of the scale."""
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        scale = float(np.exp(step[6])) if len(step) > 6 else 1.0
        return Similarity(scale, turn, self.middle + self.size * step[3:6] - scale * turn @ self.middle) @ self.guess

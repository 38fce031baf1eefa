"""From how different places the object was photographed; too few, and no shape can be told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.errors import CaptureError
from reconstruction.scene import View

LEAST_SPREAD_DEG = 15.0  # below it, the depth of the hull is all guess


def directions_from(centre: Float[ndarray, "3"], views: Sequence[View]) -> Float[ndarray, "n 3"]:
    """Unit vectors from the centre to the cameras, in their common frame."""
    away = np.stack([view.centre_world for view in views]) - centre
    return np.asarray(away / np.linalg.norm(away, axis=1, keepdims=True))


def angles_between(directions: Float[ndarray, "n 3"]) -> Float[ndarray, "n n"]:
    """Degrees."""
    return np.degrees(np.arccos((directions @ directions.T).clip(-1, 1)))


def require_spread(centre: Float[ndarray, "3"], views: Sequence[View]) -> float:
    """The largest angle between two photos as the object sees them, degrees. Raises CaptureError where it is too small."""
    widest = float(angles_between(directions_from(centre, views)).max())
    if widest < LEAST_SPREAD_DEG:
        raise CaptureError(
            f"all {len(views)} photos look at the object from within {widest:.0f} degrees of each other",
            try_next="walk around it: photos from all sides, low and high, one every 10 to 15 degrees",
        )
    return widest

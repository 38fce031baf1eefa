"""BOP's average recall: how many annotated objects are found, averaged over how exact one is to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from surfemb.bop.pose_errors import MISALIGNMENTS, PoseErrors

LIMITS = np.arange(1, 11) * 0.05
"""Of VSD, a share of pixels, and of MSSD, a share of the diameter."""
LIMITS_PX = np.arange(1, 11) * 5.0
"""MSPD, in an image 640 pixels wide."""


@dataclass(frozen=True)
class AverageRecall:
    """`ar` is the mean of those errors that could be measured; `vsd` is None without depth images."""

    mssd: float
    mspd: float
    vsd: float | None

    @property
    def ar(self) -> float:
        return float(np.mean([v for v in (self.mssd, self.mspd, self.vsd) if v is not None]))


def average_recall(found: Sequence[PoseErrors]) -> AverageRecall:
    """Over all images and objects: an instance is found where an estimate of its own is below the limit."""
    count = max(1, sum(errors.instances for errors in found))
    mssd = [sum(matches(e.mssd, limit) for e in found) / count for limit in LIMITS]
    mspd = [sum(matches(e.mspd, limit) for e in found) / count for limit in LIMITS_PX]
    with_depth = [e.vsd for e in found if e.vsd is not None]
    vsd = None
    if len(with_depth) == len(found) and found:
        vsd = float(
            np.mean([[sum(matches(v[:, :, k], limit) for v in with_depth) / count for limit in LIMITS] for k in range(len(MISALIGNMENTS))])
        )
    return AverageRecall(float(np.mean(mssd)), float(np.mean(mspd)), vsd)


def matches(errors: Float[ndarray, "estimates instances"], limit: float) -> int:
    """How many instances are found: each estimate in turn, the surest first, takes the nearest below the limit that is still free."""
    free = np.ones(errors.shape[1], bool)
    for row in errors:
        near = np.where(free, row, np.inf)
        if near.size and near.min() < limit:
            free[near.argmin()] = False
    return int((~free).sum())

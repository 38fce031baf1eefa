"""One answer to one question, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconstruction.scene import RigidTransform, View
from surfemb.estimation.estimates import PoseEstimate
from surfemb.estimation.estimator import PoseEstimator
from surfemb.judging.metrics import add_error, adds_error
from surfemb.judging.questions import SHOWING, Kind

RIGHT = 0.10  # of the diameter, ADD: below it a pose counts as right for the score's calibration


@dataclass(frozen=True, eq=False)
class Trial:
    """truth: cam_from_obj, of those that look the same the one nearest to the answer."""

    view: View
    kind: Kind
    answer: PoseEstimate | None
    truth: RigidTransform
    add: float
    adds: float

    @property
    def right(self) -> bool:
        return self.kind in SHOWING and self.add < RIGHT


def judge(estimator: PoseEstimator, view: View, same: Sequence[RigidTransform], kind: Kind, answer: PoseEstimate | None) -> Trial:
    """same: turns under which the object looks the same, the identity among them."""
    if answer is None:
        return Trial(view, kind, None, view.cam_from_world, np.inf, np.inf)
    points, diameter = estimator.target.surface.points, estimator.mesh.diameter
    truths = [view.cam_from_world @ turn for turn in same]
    errors = [add_error(answer.cam_from_obj, truth, points) / diameter for truth in truths]
    nearest = int(np.argmin(errors))
    adds = adds_error(answer.cam_from_obj, view.cam_from_world, points) / diameter
    return Trial(view, kind, answer, truths[nearest], errors[nearest], adds)

"""What an estimate says."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool
from numpy import ndarray

from reconstruction.scene import RigidTransform
from surfemb.estimation.inputs import Box
from surfemb.estimation.scoring import Fit


@dataclass(frozen=True, eq=False)
class PoseEstimate:
    """cam_from_obj: OpenCV camera, metres. score: in [0, 1]. inliers: share of the object's pixels that agree with the pose.

    box: of the silhouette in the image. mask: (h, w), the silhouette at the pose. fit: what the score is made of. depth_factor: what the
    depth map was divided by, since the object's print has another distance; 1 where it was believed, None where there is none.
    """

    cam_from_obj: RigidTransform
    score: float
    inliers: float
    box: Box
    mask: Bool[ndarray, "h w"] | None = None
    fit: Fit | None = None
    depth_factor: float | None = None


@dataclass(frozen=True)
class Estimates:
    """poses: best first with a search, else in the order of the boxes that had an answer; empty where nothing was found."""

    poses: list[PoseEstimate]
    timing_ms: dict[str, float]

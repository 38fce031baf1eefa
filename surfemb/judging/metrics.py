"""Pose errors. ADD: Hinterstoisser et al., ACCV 2012. VSD, MSSD and MSPD: the BOP challenge 2019+, Hodan et al., 2020."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import cKDTree

from reconstruction.scene import Camera, RigidTransform

IDENTITY = (RigidTransform(),)


def add_error(estimate: RigidTransform, truth: RigidTransform, points: Float[ndarray, "n 3"]) -> float:
    """ADD: mean distance between the same points at both poses, in the points' units."""
    return float(np.linalg.norm(estimate.apply(points) - truth.apply(points), axis=1).mean())


def adds_error(estimate: RigidTransform, truth: RigidTransform, points: Float[ndarray, "n 3"]) -> float:
    """ADD-S: mean distance from each point at the true pose to the nearest one at the estimated pose."""
    distance, _ = cKDTree(estimate.apply(points)).query(truth.apply(points))
    return float(np.mean(distance))


def mssd_error(
    estimate: RigidTransform, truth: RigidTransform, points: Float[ndarray, "n 3"], symmetries: Sequence[RigidTransform] = IDENTITY
) -> float:
    """Largest point distance, at the most favourable of the object's symmetries `obj_from_obj` (the identity among them)."""
    at_estimate = estimate.apply(points)
    return min(float(np.linalg.norm(at_estimate - (truth @ s).apply(points), axis=1).max()) for s in symmetries)


def mspd_error(
    estimate: RigidTransform,
    truth: RigidTransform,
    points: Float[ndarray, "n 3"],
    camera: Camera,
    symmetries: Sequence[RigidTransform] = IDENTITY,
) -> float:
    """Largest distance of projected points in pixels, at the most favourable symmetry; infinite behind the camera."""
    at_estimate = camera.project(estimate.apply(points))
    worst = [np.linalg.norm(at_estimate - camera.project((truth @ s).apply(points)), axis=1).max() for s in symmetries]
    return float(np.nan_to_num(min(worst), nan=np.inf))


def vsd_errors(
    at_estimate: Float[ndarray, "h w"],
    at_truth: Float[ndarray, "h w"],
    scene: Float[ndarray, "h w"],
    tolerance: float,
    misalignments: Sequence[float],
) -> Float[ndarray, "k"]:
    """Share of the visible surface that is not where it should be, one for each misalignment that is let pass.

    Distances from the camera's centre along each pixel's ray, not depths; zero where there is nothing: of the model rendered at
    either pose, and of what a depth sensor saw. tolerance: so far behind the seen surface a pixel still counts as visible (BOP:
    15 mm). All in one unit. One where neither pose shows anything.
    """
    seen_true = _visible(at_truth, scene, tolerance)
    seen = _visible(at_estimate, scene, tolerance) | (seen_true & (at_estimate > 0))
    both, either = seen & seen_true, int((seen | seen_true).sum())
    if either == 0:
        return np.ones(len(misalignments))
    off = np.abs(at_estimate - at_truth)[both]
    return np.array([(either - both.sum() + (off >= limit).sum()) / either for limit in misalignments])


def _visible(model: Float[ndarray, "h w"], scene: Float[ndarray, "h w"], tolerance: float) -> Bool[ndarray, "h w"]:
    return np.asarray((model > 0) & ((scene == 0) | (model - scene <= tolerance)))


def recall(errors: Iterable[float], threshold: float) -> float:
    """Share of errors below the threshold; a missing answer is an infinite error. Zero where there are none."""
    values = np.fromiter(errors, float)
    return float((values < threshold).mean()) if len(values) else 0.0

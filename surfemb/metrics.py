"""Pose errors. ADD: Hinterstoisser et al., ACCV 2012. MSSD and MSPD: the BOP challenge 2019+, Hodan et al., 2020."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
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


def recall(errors: Iterable[float], threshold: float) -> float:
    """Share of errors below the threshold; a missing answer is an infinite error. Zero where there are none."""
    values = np.fromiter(errors, float)
    return float((values < threshold).mean()) if len(values) else 0.0

"""Small changes of a pose: six numbers, a turn about the object's own origin and a move, and what they do in the image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.scene import RigidTransform


def increment(pose: RigidTransform, step: Float[ndarray, "6"]) -> RigidTransform:
    """Turns the object about its own origin by the rotation vector `step[:3]` (camera axes), then moves it by `step[3:]`."""
    turn = RigidTransform.from_rotvec(step[:3], np.zeros(3))
    return RigidTransform(turn.rotation @ pose.rotation, pose.translation + step[3:])


def difference(target: RigidTransform, pose: RigidTransform) -> Float[ndarray, "6"]:
    """The increment that takes `pose` to `target`."""
    turn = Rotation.from_matrix(target.rotation @ pose.rotation.T).as_rotvec()
    return np.concatenate([turn, target.translation - pose.translation])


def gauss_newton(gradient: Float[ndarray, "6"], information: Float[ndarray, "6 6"], most_rad: float) -> Float[ndarray, "6"]:
    """The step, slightly damped; turn and move both shortened where it turns by more than `most_rad`."""
    damping = 1e-4 * np.diag(np.diag(information)) + 1e-9 * max(np.trace(information), 1e-12) * np.eye(6)
    step = np.linalg.solve(information + damping, gradient)
    return np.asarray(step * min(1.0, most_rad / max(float(np.linalg.norm(step[:3])), 1e-9)))


@njit(inline="always")
def add_residual(gradient, information, ju, jv, du, dv, xx, xy, yy):  # type: ignore[no-untyped-def]
    """Adds a residual (du, dv) in pixels, weighted by the matrix [[xx, xy], [xy, yy]], to Gauss-Newton's normal equations."""
    for a in range(6):
        left_u, left_v = xx * ju[a] + xy * jv[a], xy * ju[a] + yy * jv[a]
        gradient[a] += left_u * du + left_v * dv
        for b in range(6):
            information[a, b] += left_u * ju[b] + left_v * jv[b]


@njit(inline="always")
def project_jacobian(arm, fx, fy, x, y, z, ju, jv):  # type: ignore[no-untyped-def]
    """d(u, v) / d(increment) at (x, y, z) = arm + translation: d(u, v) / d(point), then d(point) / d(increment) = [-arm x | identity]."""
    ju[3], ju[5] = fx / z, -fx * x / (z * z)
    jv[4], jv[5] = fy / z, -fy * y / (z * z)
    for j in (ju, jv):
        j[0] = arm[1] * j[5] - arm[2] * j[4]
        j[1] = arm[2] * j[3] - arm[0] * j[5]
        j[2] = arm[0] * j[4] - arm[1] * j[3]

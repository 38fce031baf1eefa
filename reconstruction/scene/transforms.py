"""The only pose maths. Names cancel: `cam_from_obj = cam_from_world @ world_from_obj`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation


def _frozen(values: Any, shape: tuple[int, ...]) -> ndarray:
    array = np.array(values, dtype=np.float64).reshape(shape)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """A rotation and a translation: `x_a = rotation @ x_b + translation` for `a_from_b`.

    rotation: (3, 3), orthonormal, determinant +1. translation: (3,), in the units of both frames (metres once scaled).
    """

    rotation: Float[ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    translation: Float[ndarray, "3"] = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        object.__setattr__(self, "rotation", _frozen(self.rotation, (3, 3)))
        object.__setattr__(self, "translation", _frozen(self.translation, (3,)))

    @classmethod
    def from_matrix(cls, matrix: Float[ndarray, "4 4"]) -> RigidTransform:
        return cls(matrix[:3, :3], matrix[:3, 3])

    @classmethod
    def from_rotvec(cls, rotvec: Float[ndarray, "3"], translation: Float[ndarray, "3"]) -> RigidTransform:
        """rotvec: axis times angle, radians."""
        return cls(Rotation.from_rotvec(rotvec).as_matrix(), translation)

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> RigidTransform:
        """Inverse of `to_json`; a rotation that is slightly off (rounded numbers) is projected back to SO(3)."""
        return cls(nearest_rotation(np.reshape(doc["R"], (3, 3))), np.reshape(doc["t"], 3))

    def to_json(self) -> dict[str, list[float]]:
        """`{"R": [9, row-major], "t": [3]}`."""
        return {"R": self.rotation.reshape(-1).tolist(), "t": self.translation.tolist()}

    @property
    def matrix(self) -> Float[ndarray, "4 4"]:
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.rotation, self.translation
        return out

    @property
    def quaternion_xyzw(self) -> Float[ndarray, "4"]:
        return np.asarray(Rotation.from_matrix(self.rotation).as_quat())

    def inverse(self) -> RigidTransform:
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        return RigidTransform(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)

    def apply(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        return points @ self.rotation.T + self.translation

    def rotate(self, directions: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        """Directions and normals: rotated, not moved."""
        return directions @ self.rotation.T


@dataclass(frozen=True, eq=False)
class Similarity:
    """A change of scale with a rigid motion: `x_a = scale * rotation @ x_b + translation` for `a_from_b`.

    Kept apart from RigidTransform so that an unscaled pose can't be taken for a metric one.
    """

    scale: float
    rotation: Float[ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    translation: Float[ndarray, "3"] = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"a similarity needs a positive scale, not {self.scale}")
        object.__setattr__(self, "rotation", _frozen(self.rotation, (3, 3)))
        object.__setattr__(self, "translation", _frozen(self.translation, (3,)))

    @classmethod
    def from_rigid(cls, rigid: RigidTransform, scale: float = 1.0) -> Similarity:
        return cls(scale, rigid.rotation, rigid.translation)

    @classmethod
    def from_json(cls, doc: dict[str, Any]) -> Similarity:
        return cls(float(doc["scale"]), nearest_rotation(np.reshape(doc["R"], (3, 3))), np.reshape(doc["t"], 3))

    def to_json(self) -> dict[str, Any]:
        return {"scale": self.scale, "R": self.rotation.reshape(-1).tolist(), "t": self.translation.tolist()}

    def inverse(self) -> Similarity:
        return Similarity(1 / self.scale, self.rotation.T, -self.rotation.T @ self.translation / self.scale)

    def __matmul__(self, other: Similarity) -> Similarity:
        translation = self.scale * self.rotation @ other.translation + self.translation
        return Similarity(self.scale * other.scale, self.rotation @ other.rotation, translation)

    def apply(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        return self.scale * points @ self.rotation.T + self.translation

    def rotate(self, directions: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        return directions @ self.rotation.T

    def camera_pose(self, cam_from_b: RigidTransform) -> RigidTransform:
        """For `self = a_from_b`: the rigid `cam_from_a` of a camera posed in b; the camera frame takes a's units."""
        rotation = cam_from_b.rotation @ self.rotation.T
        return RigidTransform(rotation, self.scale * cam_from_b.translation - rotation @ self.translation)


def nearest_rotation(matrix: Float[ndarray, "3 3"]) -> Float[ndarray, "3 3"]:
    """The rotation closest in Frobenius norm (orthogonal Procrustes)."""
    u, _, vt = np.linalg.svd(matrix)
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt


def fit_similarity(points_a: Float[ndarray, "n 3"], points_b: Float[ndarray, "n 3"]) -> Similarity:
    """Least-squares `a_from_b` of matched points (Umeyama, PAMI 1991). Needs three points not on a line.

    Raises ValueError on fewer than three points or a degenerate set.
    """
    if len(points_a) < 3:
        raise ValueError("a similarity needs at least three matched points")
    mean_a, mean_b = points_a.mean(0), points_b.mean(0)
    centred_a, centred_b = points_a - mean_a, points_b - mean_b
    u, singular, vt = np.linalg.svd(centred_a.T @ centred_b / len(points_a))
    if singular[1] < 1e-12 * max(singular[0], 1e-30):
        raise ValueError("the matched points lie on a line")
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(signs) @ vt
    scale = float((singular * signs).sum() / centred_b.var(0).sum())
    return Similarity(scale, rotation, mean_a - scale * rotation @ mean_b)


def rotation_error_deg(a: Float[ndarray, "3 3"], b: Float[ndarray, "3 3"]) -> float:
    """Angle between two rotations, degrees; stable near 0 and 180."""
    return float(np.degrees(Rotation.from_matrix(a @ b.T).magnitude()))


def look_at(eye: Float[ndarray, "3"], target: Float[ndarray, "3"], up: Float[ndarray, "3"], roll_deg: float = 0.0) -> RigidTransform:
    """`cam_from_world` of an OpenCV camera at `eye` that sees `target` in its centre, image-up along `up`.

    `roll_deg` turns the camera about its optical axis. `up` must not be parallel to the view direction.
    """
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    roll = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix()
    rotation = roll @ rotation
    return RigidTransform(rotation, -rotation @ eye)

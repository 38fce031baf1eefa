"""From where the capture saw the object, and random cameras like those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from reconstruction.scene import Camera, RigidTransform, View
from reconstruction.scene.transforms import look_at

Box = tuple[float, float, float, float]
NEAREST = 1.2
"""Least distance of a camera from the object's centre, over that of the object's farthest point: it may not enter the object."""


@dataclass(frozen=True)
class ViewRange:
    """Elevation above the object's equator (degrees) and distance from its centre (metres), lowest and highest; the object's
    longer side in the photos (pixels)."""

    elevation_deg: tuple[float, float]
    distance_m: tuple[float, float]
    object_px: tuple[float, float]

    @classmethod
    def of(cls, views: Sequence[View], points_obj: Float[ndarray, "n 3"]) -> ViewRange:
        """The range that the views cover. points_obj: the mesh's vertices, to measure its size in the photos."""
        centres = np.array([view.centre_world for view in views])
        distance = np.linalg.norm(centres, axis=1)
        elevation = np.degrees(np.arcsin(centres[:, 2] / distance))
        boxes = [projected_box(view.camera, view.cam_from_world, points_obj) for view in views]
        sides = [max(b[2] - b[0], b[3] - b[1]) for b in boxes if b is not None]
        return cls(_span(elevation), _span(distance), _span(np.array(sides or [0.0])))

    def to_json(self) -> dict[str, Any]:
        return {"elevation_deg": self.elevation_deg, "distance_m": self.distance_m, "object_px": self.object_px}

    def sample(self, rng: np.random.Generator, margin_deg: float, stretch: tuple[float, float]) -> RigidTransform:
        """`cam_from_obj` of an upright camera that looks at the object's centre, from within the range and a little beyond.

        Directions are uniform over that zone of the sphere. stretch: factors on the range's ends of distance.
        """
        low, high = (np.clip(e, -89, 89) for e in (self.elevation_deg[0] - margin_deg, self.elevation_deg[1] + margin_deg))
        z = rng.uniform(np.sin(np.radians(low)), np.sin(np.radians(high)))
        azimuth = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.sqrt(1 - z * z) * np.cos(azimuth), np.sqrt(1 - z * z) * np.sin(azimuth), z])
        distance = rng.uniform(self.distance_m[0] * stretch[0], self.distance_m[1] * stretch[1])
        return look_at(distance * direction, np.zeros(3), np.array([0.0, 0.0, 1.0]))

    def sample_any(self, rng: np.random.Generator, stretch: tuple[float, float]) -> RigidTransform:
        """As `sample`, from any direction and with any roll: uniform over SO(3)."""
        distance = rng.uniform(self.distance_m[0] * stretch[0], self.distance_m[1] * stretch[1])
        rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix()
        return RigidTransform(rotation, np.array([0.0, 0.0, distance]))


def projected_box(camera: Camera, cam_from_obj: RigidTransform, points_obj: Float[ndarray, "n 3"]) -> Box | None:
    """Around the whole object, seen or hidden, in pixels; may reach beyond the image. None where some of it is behind the camera."""
    pixels = camera.project(cam_from_obj.apply(points_obj))
    if not np.isfinite(pixels).all():
        return None
    (x0, y0), (x1, y1) = pixels.min(0), pixels.max(0)
    return float(x0), float(y0), float(x1), float(y1)


def _span(values: ndarray) -> tuple[float, float]:
    return round(float(values.min()), 4), round(float(values.max()), 4)

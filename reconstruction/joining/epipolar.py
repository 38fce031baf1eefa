"""How far matched pixels of the two captures are from each other's epipolar lines, for any placement of one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.joining.features import Features, Matches
from reconstruction.joining.half import Half
from reconstruction.scene import Similarity, View


@dataclass(frozen=True, eq=False)
class Sighting:
    """Of each match in one capture: the pixel as a ray with z = 1, the camera's pose (cam_from_capture), its focal length."""

    rays: Float[ndarray, "m 3"]
    rotations: Float[ndarray, "m 3 3"]
    translations: Float[ndarray, "m 3"]
    focal: Float[ndarray, "m"]

    @classmethod
    def of(cls, views: Sequence[View], pixels: Float[ndarray, "m 2"]) -> Sighting:
        middle = np.array([(v.camera.cx, v.camera.cy) for v in views]).reshape(-1, 2)
        focal = np.array([(v.camera.fx, v.camera.fy) for v in views]).reshape(-1, 2)
        rays = np.concatenate([(pixels - middle) / focal, np.ones((len(pixels), 1))], 1)
        rotations = np.array([v.cam_from_world.rotation for v in views]).reshape(-1, 3, 3)
        return cls(rays, rotations, np.array([v.cam_from_world.translation for v in views]).reshape(-1, 3), focal.mean(1))

    def taken(self, rows: Bool[ndarray, "m"]) -> Sighting:
        return Sighting(self.rays[rows], self.rotations[rows], self.translations[rows], self.focal[rows])


@dataclass(frozen=True, eq=False)
class EpipolarLines:
    first: Sighting
    second: Sighting

    @classmethod
    def of(cls, halves: tuple[Half, Half], features: tuple[Features, Features], matches: Matches) -> EpipolarLines:
        sides = zip(halves, features, (matches.first, matches.second), strict=True)
        return cls(*(Sighting.of([half.views[i] for i in found.view[rows]], found.pixels[rows]) for half, found, rows in sides))

    def taken(self, rows: Bool[ndarray, "m"]) -> EpipolarLines:
        return EpipolarLines(self.first.taken(rows), self.second.taken(rows))

    def distances(self, first_from_second: Similarity) -> Float[ndarray, "m"]:
        """Signed Sampson distances in pixels (Hartley and Zisserman, Multiple View Geometry, section 11.4.3)."""
        a, b = self.first, self.second
        # the second's cameras in the first's frame, as Similarity.camera_pose has it
        turned = b.rotations @ first_from_second.rotation.T
        shifted = first_from_second.scale * b.translations - turned @ first_from_second.translation
        b_from_a = turned @ a.rotations.transpose(0, 2, 1)
        baseline = shifted - np.einsum("mij,mj->mi", b_from_a, a.translations)
        line_b = np.cross(baseline, np.einsum("mij,mj->mi", b_from_a, a.rays))  # E x_a
        line_a = -np.einsum("mji,mj->mi", b_from_a, np.cross(baseline, b.rays))  # E^T x_b
        slope = np.square(line_b[:, :2]).sum(1) + np.square(line_a[:, :2]).sum(1)
        return np.asarray(b.focal * np.einsum("mi,mi->m", b.rays, line_b) / np.sqrt(np.maximum(slope, 1e-18)))

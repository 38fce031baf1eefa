"""Which surface point each pixel shows, where the distribution has one near what a pose puts there; and what that asks of the pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numba import njit
from numpy import ndarray

from reconstruction.rasterizers import Raster
from reconstruction.scene import Camera, RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.increments import add_residual, project_jacobian


@dataclass(frozen=True, eq=False)
class Matches:
    """Of each pixel: the mean surface point of the local mode, its deviation along the surface (metres) and its weight. levers: the
    points that the pose itself puts there, or the same ones where it puts none."""

    pixels: Float[ndarray, "n 2"]
    points: Float[ndarray, "n 3"]
    levers: Float[ndarray, "n 3"]
    spread: Float[ndarray, "n"]
    weight: Float[ndarray, "n"]

    def normal_equations(
        self, camera: Camera, pose: RigidTransform, scale_px: float, pixel_px: float
    ) -> tuple[Float[ndarray, "6"], Float[ndarray, "6 6"]]:
        """Of a Gauss-Newton step of the reprojection error, for `increment`: gradient and information."""
        intrinsics = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        gradient, information = _normal_equations(
            pose.rotation, pose.translation, self.points, self.levers, self.spread, self.weight, self.pixels, intrinsics, scale_px, pixel_px
        )
        return gradient, information


def find_matches(raster: Raster, evidence: Evidence, surface: Surface) -> Matches:
    """raster: of the evidence's camera, at the pose to start from."""
    rows, columns = evidence.rows, evidence.columns
    hit, expected = raster.mask[rows, columns], raster.coordinates()[rows, columns]
    start = evidence.likeliest.copy()
    start[hit] = surface.tree.query(expected[hit])[1]
    points, spread, mass = _local_modes(evidence.log_probability, start, surface.points, surface.normals, surface.neighbours)
    return Matches(evidence.pixels, points, np.where(hit[:, None], expected, points), spread, evidence.weights * mass)


@njit(cache=True)
def _local_modes(log_probability, start, points, normals, neighbours):  # type: ignore[no-untyped-def]
    """Climbs from each pixel's starting point to a local maximum.

    Gives its neighbourhood's mean on the surface, standard deviation along the surface and probability.
    """
    count = len(start)
    means, spread, mass = np.zeros((count, 3)), np.zeros(count), np.zeros(count)
    for k in range(count):
        row, best, before = log_probability[k], start[k], -1
        while best != before:
            before = best
            for j in neighbours[before]:
                if row[j] > row[best]:
                    best = j
        squared = 0.0
        for j in neighbours[best]:
            p = np.exp(row[j])
            mass[k] += p
            for c in range(3):
                means[k, c] += p * points[j, c]
                squared += p * points[j, c] ** 2
        if mass[k] > 1e-12:
            means[k] /= mass[k]
            spread[k] = np.sqrt(max(squared / mass[k] - (means[k] ** 2).sum(), 0.0) / 2)
            # The mean of a curved patch lies inside the object: put it back on the tangent plane.
            inward = 0.0
            for c in range(3):
                inward += normals[best, c] * (means[k, c] - points[best, c])
            means[k] -= inward * normals[best]
    return means, spread, mass


@njit(cache=True, fastmath=True)
def _normal_equations(rotation, translation, points, levers, spread, weight, pixels, intrinsics, scale, pixel_px):  # type: ignore[no-untyped-def]
    """Gauss-Newton on the reprojection error with the Geman-McClure loss (weights 1 / (1 + (r / scale)^2)^2), Jacobians at the levers."""
    fx, fy, cx, cy = intrinsics
    gradient, information = np.zeros(6), np.zeros((6, 6))
    ju, jv = np.zeros(6), np.zeros(6)
    for k in range(len(points)):
        arm = rotation @ points[k]
        x, y, z = arm + translation
        if z <= 0:
            continue
        du, dv = pixels[k, 0] - (fx * x / z + cx), pixels[k, 1] - (fy * y / z + cy)
        blur = spread[k] * fx / z
        w = weight[k] / ((1 + (du * du + dv * dv) / (scale * scale)) ** 2 * (blur * blur + pixel_px * pixel_px))
        arm = rotation @ levers[k]
        x, y, z = arm + translation
        project_jacobian(arm, fx, fy, x, y, z, ju, jv)
        add_residual(gradient, information, ju, jv, du, dv, w, 0.0, w)
    return gradient, information

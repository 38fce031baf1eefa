"""How good a reconstruction is: masks, surfaces, colours, cameras. Surfaces are compared in one frame; no alignment is hidden here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial import KDTree

from reconstruction.scene import Mesh, View

Seen = Callable[[Float[ndarray, "n 3"]], Bool[ndarray, "n"]]


@dataclass(frozen=True)
class SurfaceDistance:
    """Mean point-to-surface distances in metres between a mesh and the truth, both ways.

    accuracy: mesh to truth. completeness: truth to mesh. f_score: harmonic mean of the shares within `threshold`.
    normal_deg: mean angle between the truth's normals and those of the nearest points of the mesh.
    """

    accuracy: float
    completeness: float
    f_score: float
    threshold: float
    diameter: float
    normal_deg: float

    @property
    def chamfer(self) -> float:
        """Metres: the mean of the two directions."""
        return (self.accuracy + self.completeness) / 2

    @property
    def chamfer_over_diameter(self) -> float:
        return self.chamfer / self.diameter


def mask_iou(mask: Bool[ndarray, "h w"], truth: Bool[ndarray, "h w"]) -> float:
    """Intersection over union; two empty masks agree fully."""
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0


def compare_surfaces(
    mesh: Mesh,
    truth: Mesh,
    *,
    above_z: float = -np.inf,
    seen: Seen | None = None,
    threshold_over_diameter: float = 0.01,
    samples: int = 20_000,
    seed: int = 0,
) -> SurfaceDistance:
    """Both meshes in one frame, metres. Points lower than `above_z` are not counted: no photo sees what stands on the table.

    seen: which points of the truth some photo could show; completeness and normals count no others, such as a can's raised underside.
    """
    there, _ = _distances(mesh, truth, lambda points: points[:, 2] > above_z, samples, seed)
    back, angles = _distances(truth, mesh, lambda points: (points[:, 2] > above_z) & (seen is None or seen(points)), samples, seed + 1)
    threshold = threshold_over_diameter * truth.diameter
    precision, recall = float((there < threshold).mean()), float((back < threshold).mean())
    f_score = 2 * precision * recall / max(precision + recall, 1e-12)
    return SurfaceDistance(float(there.mean()), float(back.mean()), f_score, threshold, truth.diameter, float(angles.mean()))


def point_to_surface(
    points: Float[ndarray, "n 3"], mesh: Mesh, candidates: int = 12, seed: int = 0
) -> tuple[Float[ndarray, "n"], Int[ndarray, "n"]]:
    """Distance of each point to the mesh, and the face that is nearest.

    Exact over the triangles that own the nearest of a dense set of surface points: about 1e-6 of the diameter, where
    point-to-point distances have a floor of 3e-3.
    """
    spread, face = mesh.sample(max(4 * len(mesh.faces), 50_000), seed)
    near = face[np.asarray(KDTree(spread).query(points, k=candidates)[1])]  # (n, candidates)
    distances = np.stack([_to_triangles(points, mesh, near[:, k]) for k in range(candidates)], 1)
    best = distances.argmin(1)[:, None]
    return np.take_along_axis(distances, best, 1)[:, 0], np.take_along_axis(near, best, 1)[:, 0]


def psnr(image: Float[ndarray, "h w 3"], truth: Float[ndarray, "h w 3"], mask: Bool[ndarray, "h w"] | None = None) -> float:
    """Decibels, colours in [0, 1], over the mask's pixels; infinite for equal images."""
    error = (image - truth) if mask is None else (image - truth)[mask]
    mean_square = float(np.square(error).mean())
    return float("inf") if mean_square == 0 else -10 * float(np.log10(mean_square))


def reprojection_errors(view: View, points_world: Float[ndarray, "n 3"], pixels: Float[ndarray, "n 2"]) -> Float[ndarray, "n"]:
    """Pixels between where the view sees the points and where they were measured; NaN behind the camera."""
    return np.asarray(np.linalg.norm(view.project(points_world) - pixels, axis=-1))


def _distances(source: Mesh, target: Mesh, counts: Seen, samples: int, seed: int) -> tuple[Float[ndarray, "k"], Float[ndarray, "k"]]:
    """Of points spread over the source to the target, and the angles (degrees) between the normals there."""
    points, face = source.sample(samples, seed)
    chosen = counts(points)
    if not chosen.any():
        return np.full(1, target.diameter), np.full(1, 180.0)
    distances, nearest = point_to_surface(points[chosen], target, seed=seed)
    cosine = np.einsum("nk,nk->n", source.face_normals[face[chosen]], target.face_normals[nearest])
    return distances, np.degrees(np.arccos(cosine.clip(-1, 1)))


def _to_triangles(points: Float[ndarray, "n 3"], mesh: Mesh, face: Int[ndarray, "n"]) -> Float[ndarray, "n"]:
    """Distance of point i to triangle face[i]: to its plane where the foot lies inside, else to the nearest edge."""
    a, b, c = (mesh.vertices[mesh.faces[face, i]] for i in range(3))
    normal = mesh.face_normals[face]
    edges = [(a, b), (b, c), (c, a)]
    inside = np.all([np.einsum("ni,ni->n", np.cross(q - p, points - p), normal) >= 0 for p, q in edges], axis=0)
    inside &= np.einsum("ni,ni->n", normal, normal) > 0.5
    to_plane = np.abs(np.einsum("ni,ni->n", points - a, normal))
    to_edge = np.min([_to_segment(points, p, q) for p, q in edges], axis=0)
    return np.where(inside, to_plane, to_edge)


def _to_segment(points: Float[ndarray, "n 3"], p: Float[ndarray, "n 3"], q: Float[ndarray, "n 3"]) -> Float[ndarray, "n"]:
    axis = q - p
    along = np.einsum("ni,ni->n", points - p, axis) / np.maximum(np.einsum("ni,ni->n", axis, axis), 1e-30)
    return np.asarray(np.linalg.norm(points - p - along.clip(0, 1)[:, None] * axis, axis=1))

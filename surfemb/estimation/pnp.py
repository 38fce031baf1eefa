"""Distribution -> pose hypotheses: P3P on sampled correspondences, and LO-RANSAC on the most likely ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import poselib
from jaxtyping import Bool, Float, Int
from numba import njit
from numpy import ndarray

from reconstruction.scene import Camera, RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.samples.viewpoints import NEAREST


@dataclass(frozen=True)
class HypothesisConfig:
    """draws: samples of four correspondences. sharpness: exponent on the probabilities (SurfEmb: 1.5).

    min_mask: pixels less likely to show the object are left out. min_spread: of the drawn pixels, as a share of the crop.
    fourth_px, ransac_px: tolerated errors, in thinned pixels (`STRIDE` of the crop's).
    """

    draws: int = 800
    sharpness: float = 1.5
    min_mask: float = 0.3
    fourth_px: float = 3.0
    min_spread: float = 0.1
    ransac_iterations: int = 300
    ransac_px: float = 2.0


@dataclass(frozen=True, eq=False)
class PoseBatch:
    """Many `crop_from_obj`: rotations (n, 3, 3), translations (n, 3)."""

    rotations: Float[ndarray, "n 3 3"]
    translations: Float[ndarray, "n 3"]

    @classmethod
    def of(cls, poses: Iterable[RigidTransform]) -> PoseBatch:
        listed = list(poses)
        return cls(np.array([p.rotation for p in listed]).reshape(-1, 3, 3), np.array([p.translation for p in listed]).reshape(-1, 3))

    def __len__(self) -> int:
        return len(self.rotations)

    def __getitem__(self, index: int) -> RigidTransform:
        return RigidTransform(self.rotations[index], self.translations[index])

    def take(self, which: ndarray) -> PoseBatch:
        return PoseBatch(self.rotations[which], self.translations[which])

    def __add__(self, other: PoseBatch) -> PoseBatch:
        return PoseBatch(np.concatenate([self.rotations, other.rotations]), np.concatenate([self.translations, other.translations]))


def propose(evidence: Evidence, surface: Surface, config: HypothesisConfig, seed: int = 0) -> PoseBatch:
    """Hypotheses for `crop_from_obj`, the LO-RANSAC ones first; empty where nothing looks like the object."""
    usable = np.flatnonzero(evidence.weights > config.min_mask)
    if len(usable) < 6:
        return PoseBatch.of([])
    found = ransac_poses(evidence, usable, surface, config, seed) + sampled_poses(evidence, usable, surface, config, seed)
    return found.take(plausible(found, surface, evidence.camera))


def ransac_poses(evidence: Evidence, usable: ndarray, surface: Surface, config: HypothesisConfig, seed: int) -> PoseBatch:
    """One LO-RANSAC pose from all arg-max matches, one from the surer half of them."""
    best = evidence.likeliest
    sureness = np.log(evidence.weights) + evidence.log_probability[np.arange(len(best)), best]
    order = usable[np.argsort(-sureness[usable], kind="stable")]
    camera = evidence.camera
    pinhole = {"model": "PINHOLE", "width": camera.width, "height": camera.height, "params": [camera.fx, camera.fy, camera.cx, camera.cy]}
    options = {
        "max_reproj_error": config.ransac_px,
        "max_iterations": config.ransac_iterations,
        "min_iterations": min(100, config.ransac_iterations),
        "seed": seed,
    }
    poses = []
    for part in (order, order[: max(6, len(order) // 2)]):
        pose, info = poselib.estimate_absolute_pose(evidence.pixels[part], surface.points[best[part]], pinhole, options, {})
        if info["num_inliers"] >= 5:
            poses.append(RigidTransform(pose.R, pose.t))
    return PoseBatch.of(poses)


def sampled_poses(evidence: Evidence, usable: ndarray, surface: Surface, config: HypothesisConfig, seed: int) -> PoseBatch:
    """P3P on three correspondences drawn from the distribution; a fourth picks among its solutions.

    Draws whose points lie too close together in the image, whose fourth point disagrees or whose points would face
    away from the camera are left out (Haugaard and Buch, SurfEmb, CVPR 2022, section 3.3).
    """
    camera = evidence.camera
    pixel, point = draw_correspondences(evidence, usable, config, np.random.default_rng(seed))
    image, points, normals = evidence.pixels[pixel], surface.points[point], surface.normals[point]  # (draws, 4, ...)
    spread = np.ptp(image[:, :3], axis=1).max(-1) >= config.min_spread * camera.width
    rays = camera.unproject(image, np.ones(image.shape[:2]))
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    solutions = [(i, s) for i in np.flatnonzero(spread) for s in poselib.p3p(rays[i, :3], points[i, :3])]
    if not solutions:
        return PoseBatch.of([])
    owner = np.array([i for i, _ in solutions])
    batch = PoseBatch(np.array([s.R for _, s in solutions]), np.array([s.t for _, s in solutions]))
    points_cam = np.einsum("nij,nkj->nki", batch.rotations, points[owner]) + batch.translations[:, None]
    facing = (np.einsum("nij,nkj->nki", batch.rotations, normals[owner]) * points_cam).sum(-1) < 0
    miss = np.linalg.norm(camera.project(points_cam[:, 3]) - image[owner, 3], axis=-1)
    return batch.take((miss < config.fourth_px) & facing.all(1))


def draw_correspondences(
    evidence: Evidence, usable: ndarray, config: HypothesisConfig, rng: np.random.Generator
) -> tuple[Int[ndarray, "draws 4"], Int[ndarray, "draws 4"]]:
    """Pixels and surface points, drawn with weight mask x probability ** sharpness."""
    sharpened = np.exp(np.float32(config.sharpness) * evidence.log_probability[usable])
    totals = sharpened.sum(1)
    per_pixel = (evidence.weights[usable] * totals).astype(float)
    drawn = rng.choice(len(usable), (config.draws, 4), p=per_pixel / per_pixel.sum())
    level = rng.random(drawn.size, dtype=np.float32) * totals[drawn.ravel()]
    return usable[drawn], _point_at(sharpened, drawn.ravel(), level).reshape(drawn.shape)


@njit(cache=True)
def _point_at(weights, rows, levels):  # type: ignore[no-untyped-def]
    """In each row, the first point up to which the weights sum to more than the level."""
    found = np.empty(len(rows), np.int64)
    for k in range(len(rows)):
        row, point, summed = weights[rows[k]], 0, weights[rows[k], 0]
        while summed <= levels[k] and point < len(row) - 1:
            point += 1
            summed += row[point]
        found[k] = point
    return found


def too_near(poses: PoseBatch, surface: Surface) -> Bool[ndarray, "n"]:
    """Behind the camera or closer than any view that the networks were trained on: there a speck of the object explains any image."""
    return np.asarray(poses.translations[:, 2] < NEAREST * np.linalg.norm(surface.points, axis=1).max())


def plausible(poses: PoseBatch, surface: Surface, camera: Camera) -> ndarray:
    """Not too near, its centre near the crop, its size between a sixth of the crop and twice the crop."""
    z = poses.translations[:, 2]
    size_px = camera.fx * surface.mesh.diameter / np.where(z > 0, z, np.inf)
    centre = camera.project(poses.translations)
    near = (np.abs(centre - camera.width / 2) < camera.width).all(-1)
    return ~too_near(poses, surface) & (size_px > camera.width / 6) & (size_px < 2 * camera.width) & near

"""A straightforward implementation of SurfEmb's pose search (Haugaard and Buch, CVPR 2022, sections 3.3 and 3.4), to be faster than.

10,000 draws, each solved by itself; the first 1,000 that are plausible are rendered and scored one by one; the best is refined by BFGS.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import poselib
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import minimize

from benchmarks.pose.answers import judge
from benchmarks.pose.testset import TestImage, TestSet
from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.estimator import PoseEstimator
from surfemb.estimation.increments import increment
from surfemb.estimation.look import Target
from surfemb.estimation.pnp import HypothesisConfig, PoseBatch, draw_correspondences, plausible
from surfemb.estimation.solve import solve_crop
from surfemb.judging.trials import RIGHT

DRAWS, SCORED = 10_000, 1_000
IMAGES = 10


def measure_speedup(estimator: PoseEstimator, tests: TestSet) -> dict[str, Any]:
    """Median milliseconds and recall of both searches on the same network outputs, one pass each."""
    target = estimator.target
    ours: list[tuple[float, bool]] = []
    plain: list[tuple[float, bool]] = []
    for image in tests.images[:: max(1, -(-len(tests.images) // IMAGES))]:
        evidence = target.observe(image.pixels(), image.camera, tests.box(image), target.config.rolls_deg)
        ours.append(_timed(lambda e=evidence: _ours(target, e), tests, image))  # type: ignore[misc]
        plain.append(_timed(lambda e=evidence: solve_plainly(e, target.surface, target.rasterizer), tests, image))  # type: ignore[misc]
    (ms, right), (plain_ms, plain_right) = (np.array(rows, float).T for rows in (ours, plain))
    return {
        "speedup_over_plain": round(float(np.median(plain_ms) / np.median(ms)), 2),
        "plain": {"ms": round(float(np.median(plain_ms)), 1), "ours_ms": round(float(np.median(ms)), 1)}
        | {"images": len(ours), "recall_0_10d": float(plain_right.mean()), "ours_recall_0_10d": float(right.mean())},
    }


def _timed(solve: Callable[[], RigidTransform | None], tests: TestSet, image: TestImage) -> tuple[float, bool]:
    started = time.perf_counter()
    pose = solve()
    milliseconds = 1000 * (time.perf_counter() - started)
    answer = judge(tests, image, None if pose is None else pose @ tests.made_from_truth, 1.0, milliseconds)
    return milliseconds, answer.add < RIGHT


def _ours(target: Target, evidence: Evidence) -> RigidTransform | None:
    found = solve_crop(evidence, target.surface, target.rasterizer, target.config.solve, [], target.config.seed)
    return found[0].cam_from_obj if found else None


def solve_plainly(evidence: Evidence, surface: Surface, rasterizer: Rasterizer, seed: int = 0) -> RigidTransform | None:
    """cam_from_obj; None where no draw is plausible."""
    poses = _hypotheses(evidence, surface, seed)
    poses = poses.take(plausible(poses, surface, evidence.camera))
    if not len(poses):
        return None
    scores = [_score(rasterizer, evidence, surface, poses[i]) for i in range(min(SCORED, len(poses)))]
    best = _refine(rasterizer, evidence, surface, poses[int(np.argmax(scores))])
    return evidence.crop.crop_from_cam.inverse() @ best


def _hypotheses(evidence: Evidence, surface: Surface, seed: int) -> PoseBatch:
    usable = np.flatnonzero(evidence.weights > 0)
    if len(usable) < 6:
        return PoseBatch.of([])
    config, camera = HypothesisConfig(draws=DRAWS), evidence.camera
    pixels, points = draw_correspondences(evidence, usable, config, np.random.default_rng(seed))
    found = []
    for pixel, point in zip(pixels, points, strict=True):
        image = evidence.pixels[pixel]
        if np.ptp(image[:3], axis=0).max() < config.min_spread * camera.width:
            continue
        rays = camera.unproject(image, np.ones(4))
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        at = surface.points[point]
        solutions = [RigidTransform(s.R, s.t) for s in poselib.p3p(rays[:3], at[:3])]
        misses = [np.linalg.norm(camera.project(s.apply(at[3])) - image[3]) for s in solutions]
        if not solutions or not np.isfinite(misses).any():
            continue
        pose = solutions[int(np.nanargmin(misses))]
        if ((pose.rotate(surface.normals[point]) * pose.apply(at)).sum(1) < 0).all():
            found.append(pose)
    return PoseBatch.of(found)


def _score(rasterizer: Rasterizer, evidence: Evidence, surface: Surface, pose: RigidTransform) -> float:
    """Mean log-likelihood of the mask / ln 2 + mean log-probability of the surface that is seen / ln m."""
    raster = rasterizer.render(evidence.camera, pose)
    mask = evidence.mask.clip(1e-4, 1 - 1e-4)
    likelihood = float(np.where(raster.mask, np.log(mask), np.log(1 - mask)).mean()) / np.log(2)
    hit = raster.mask[evidence.rows, evidence.columns]
    if not hit.any():
        return -np.inf
    seen = surface.tree.query(raster.coordinates()[evidence.rows[hit], evidence.columns[hit]])[1]
    return likelihood + float(evidence.log_probability[np.flatnonzero(hit), seen].mean()) / np.log(len(surface.points))


def _refine(rasterizer: Rasterizer, evidence: Evidence, surface: Surface, pose: RigidTransform) -> RigidTransform:
    """Maximises the mean log-probability of the surface points that are visible at the start, at their projections."""
    raster = rasterizer.render(evidence.camera, pose)
    visible = np.unique(surface.tree.query(raster.coordinates()[raster.mask])[1])
    table = np.full((*evidence.mask.shape, len(visible)), np.log(1e-6), np.float32)
    table[evidence.rows, evidence.columns] = evidence.log_probability[:, visible]
    points, each = surface.points[visible], np.arange(len(visible))

    def loss(step: Float[ndarray, "6"]) -> float:
        scaled = np.concatenate([step[:3], step[3:] * surface.mesh.diameter])
        pixels = np.nan_to_num(evidence.camera.project(increment(pose, scaled).apply(points)), nan=-9.0)
        return -float(_between(table, pixels, each).mean())

    best = minimize(loss, np.zeros(6), method="BFGS", options={"gtol": 1e-5}).x
    return increment(pose, np.concatenate([best[:3], best[3:] * surface.mesh.diameter]))


def _between(table: Float[ndarray, "h w m"], pixels: Float[ndarray, "m 2"], each: ndarray) -> Float[ndarray, "m"]:
    """Bilinear look-up of each point's own layer."""
    height, width, _ = table.shape
    x, y = pixels[:, 0].clip(0, width - 1.001), pixels[:, 1].clip(0, height - 1.001)
    column, row = x.astype(int), y.astype(int)
    u, v = x - column, y - row
    upper = (1 - u) * table[row, column, each] + u * table[row, column + 1, each]
    lower = (1 - u) * table[row + 1, column, each] + u * table[row + 1, column + 1, each]
    return np.asarray((1 - v) * upper + v * lower)

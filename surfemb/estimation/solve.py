"""One crop's evidence -> the best pose: hypotheses, coarse scores, refinement, exact scores."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import RigidTransform
from surfemb.estimation.correspondences import Evidence, Surface
from surfemb.estimation.pnp import HypothesisConfig, PoseBatch, plausible, propose, too_near
from surfemb.estimation.refine import RefineConfig, Refined, refine_pose
from surfemb.estimation.scoring import Fit, coarse_scores, distinct, fit_pose


@dataclass(frozen=True)
class SolveConfig:
    """refined: how many different hypotheses are refined and scored exactly; `finalists` of them to the end.

    hypotheses: how they are drawn; None for known ones only.
    """

    refined: int = 6
    finalists: int = 2
    hypotheses: HypothesisConfig | None = field(default_factory=HypothesisConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)


@dataclass(frozen=True, eq=False)
class Solution:
    """information: (6, 6) as `refine_pose` gives it, in the source camera's axes."""

    cam_from_obj: RigidTransform
    fit: Fit
    information: Float[ndarray, "6 6"]
    evidence: Evidence


def solve_crop(
    evidence: Evidence, surface: Surface, rasterizer: Rasterizer, config: SolveConfig, known: list[RigidTransform], seed: int = 0
) -> list[Solution]:
    """The best-scored poses, none close to a better one; `known` poses (`cam_from_obj`) compete as hypotheses.

    Empty where there is no hypothesis at all.
    """
    crop = evidence.crop
    given = PoseBatch.of(crop.crop_from_cam @ pose for pose in known)
    given = poses = given.take(plausible(given, surface, crop.camera))
    if config.hypotheses is not None:
        poses += propose(evidence, surface, config.hypotheses, seed)
    if not len(poses):
        return []
    scores = coarse_scores(poses, evidence, surface) if len(poses) > config.refined else np.zeros(len(poses))

    def scored(refined: Refined) -> tuple[Fit, Refined]:
        return fit_pose(rasterizer.render(evidence.camera, refined.crop_from_obj), evidence, surface), refined

    first, last = config.refine.rounds(0, 1), config.refine.rounds(1, None)
    starts = [poses[i] for i in distinct(poses, scores, config.refined, surface.mesh.diameter)]
    found = [scored(refine_pose(rasterizer, evidence, surface, start, first)) for start in starts]
    best = _distinct_best(found, config.finalists, surface)
    found += [scored(refine_pose(rasterizer, evidence, surface, refined.crop_from_obj, last)) for _, refined in best]
    found += [scored(Refined(given[i], best[0][1].information)) for i in range(len(given))]  # so that nothing gets worse
    found = [found[i] for i in np.flatnonzero(~too_near(PoseBatch.of(refined.crop_from_obj for _, refined in found), surface))]
    cam_from_crop = crop.crop_from_cam.inverse()
    axes = np.kron(np.eye(2), cam_from_crop.rotation)
    return [
        Solution(cam_from_crop @ refined.crop_from_obj, fit, axes @ refined.information @ axes.T, evidence)
        for fit, refined in _distinct_best(found, config.finalists, surface)
    ]


def _distinct_best(found: list[tuple[Fit, Refined]], count: int, surface: Surface) -> list[tuple[Fit, Refined]]:
    poses = PoseBatch.of(refined.crop_from_obj for _, refined in found)
    totals = np.array([fit.total for fit, _ in found])
    return [found[i] for i in distinct(poses, totals, count, surface.mesh.diameter)]


def judge(evidence: Evidence, surface: Surface, rasterizer: Rasterizer, cam_from_obj: RigidTransform) -> Fit:
    crop = evidence.crop
    return fit_pose(rasterizer.render(evidence.camera, crop.crop_from_cam @ cam_from_obj), evidence, surface)

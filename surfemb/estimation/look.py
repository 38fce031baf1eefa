"""One image, one object: boxes, crops, the networks' poses, and what the image itself says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer
from reconstruction.scene import Camera, RigidTransform
from reconstruction.scene.images import box_of_mask
from surfemb.estimation.clock import Clock
from surfemb.estimation.confidence import Confidence
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.correspondences import Evidence, QueryModel, Surface
from surfemb.estimation.estimates import PoseEstimate
from surfemb.estimation.finish import FinishConfig, lay_on_depth, lay_on_edges, lay_print, silhouette
from surfemb.estimation.inputs import Box, touches
from surfemb.estimation.rolled import observe
from surfemb.estimation.search import apart, find_boxes, overlap
from surfemb.estimation.solve import Solution, SolveConfig, solve_crop
from surfemb.estimation.twins import TwinConfig, sureness, verdict
from surfemb.samples.viewpoints import projected_box

_ONE = 0.5  # overlap from which on two boxes are of one thing


@dataclass(frozen=True, eq=False)
class Target:
    """The object that is looked for. surface: points with their keys. twins: obj_from_obj of turns that only its colours tell apart."""

    model: QueryModel
    surface: Surface
    rasterizer: Rasterizer
    confidence: Confidence
    twins: tuple[RigidTransform, ...]
    config: EstimatorConfig

    def observe(self, image: UInt8[ndarray, "h w 3"], camera: Camera, box: Box, rolls_deg: Sequence[float]) -> Evidence:
        """What the networks say about the crop around a box."""
        crop = camera.crop_towards(box, self.config.crop_px, self.config.padding)
        return observe(self.model, self.surface, image, crop, rolls_deg)

    def box(self, camera: Camera, cam_from_obj: RigidTransform) -> Box | None:
        return projected_box(camera, cam_from_obj, self.surface.points)


class Look:
    """At one image. depth: metres, 0 = none; believe_depth: whatever distance the object's print has. The clock runs from its making."""

    def __init__(
        self,
        target: Target,
        image: UInt8[ndarray, "h w 3"],
        camera: Camera,
        depth: Float[ndarray, "h w"] | None = None,
        believe_depth: bool = False,
    ) -> None:
        self.target, self.image, self.camera, self.depth = target, image, camera, depth
        self.config, self.clock, self.believe_depth = target.config, Clock(), believe_depth

    def at(self, boxes: Sequence[Box]) -> list[PoseEstimate]:
        """One answer a box, none for one that has no pose at all."""
        found = [self._solve(box) for box in boxes]
        return [self._finish(rivals, self.config.finish) for rivals in found if rivals]

    def after(self, last: RigidTransform) -> list[PoseEstimate]:
        """One answer near the last frame's pose, or none."""
        box = self.target.box(self.camera, last)
        if box is None or not touches(box, self.camera):
            return []
        rivals = self._pass(box, [last], self.config.follow, (0.0,))
        return [self._finish(rivals, self.config.follow_finish)] if rivals else []

    def all_over(self, max_instances: int) -> list[PoseEstimate]:
        """What looks likely at first sight is seen to at once, until there are so many sure answers; the best of the rest if need be."""
        poses: list[PoseEstimate] = []
        rest: list[tuple[float, list[Solution]]] = []

        def best() -> list[PoseEstimate]:
            return apart(sorted(poses, key=lambda pose: -pose.score), max_instances, _ONE)

        def enough(score: float) -> bool:
            kept = best()
            return len(kept) == max_instances and kept[-1].score >= score

        def see_to(rivals: list[Solution]) -> None:
            poses.append(self._finish(self._again(rivals), self.config.finish))

        for box in self._candidates(max_instances):
            if any(pose.score >= self.config.sure and overlap(box, pose.box) > _ONE for pose in poses):
                continue
            rivals = self._pass(box, [], self.config.glance, (0.0,))
            score = self.target.confidence.score(rivals[0].fit) if rivals else 0.0
            if score >= self.config.likely:
                see_to(rivals)
            elif rivals:
                rest.append((score, rivals))
            if enough(self.config.sure):
                break
        rest.sort(key=lambda found: -found[0])
        for _, rivals in rest[: max(0, max(3, 2 * max_instances) - len(poses))]:
            if enough(self.config.likely):
                break
            see_to(rivals)
        return best()

    def _candidates(self, max_instances: int) -> Iterator[Box]:
        target, size = self.target, self.config.crop_px / self.config.padding
        config = self.config.search.for_instances(max_instances)
        levels = find_boxes(target.model, target.surface, self.image, self.camera, size, config)
        while True:
            with self.clock("search"):
                boxes = next(levels, None)
            if boxes is None:
                return
            yield from boxes

    def _solve(self, box: Box) -> list[Solution]:
        """The best pose in the box and its rivals, which explain nearly as much; empty where there is none."""
        rivals = self._pass(box, [], self.config.solve, self.config.rolls_deg)
        for _ in range(self.config.passes - 1):
            if rivals:
                rivals = self._again(rivals)
        return rivals

    def _again(self, rivals: list[Solution]) -> list[Solution]:
        """Crops anew around the best pose; the poses so far compete, so the answer can't get worse by the score."""
        box = self.target.box(self.camera, rivals[0].cam_from_obj)
        if box is None or min(box[2] - box[0], box[3] - box[1]) < 2:
            return rivals
        known = [rival.cam_from_obj for rival in rivals]
        return self._pass(box, known, self.config.again, self.config.rolls_deg) or rivals

    def _pass(self, box: Box, known: list[RigidTransform], config: SolveConfig, rolls_deg: Sequence[float]) -> list[Solution]:
        with self.clock("network"):
            evidence = self.target.observe(self.image, self.camera, box, rolls_deg)
        with self.clock("pose"):
            return solve_crop(evidence, self.target.surface, self.target.rasterizer, config, known, self.config.seed)

    def _finish(self, rivals: list[Solution], config: FinishConfig) -> PoseEstimate:
        image, surface, rasterizer = self.image, self.target.surface, self.target.rasterizer
        with self.clock("appearance"):
            worth = [rival for rival in rivals if rival.fit.total > rivals[0].fit.total - self.config.rival_margin]
            laid = (lay_print(rival, image, surface, rasterizer, config.appearance) for rival in worth)
            solution = max(laid, key=lambda found: found.fit.with_likeness)
        if config.twins is not None:
            solution = self._told_from_twins(solution, config, config.twins)
        with self.clock("edges"):
            solution = lay_on_edges(solution, image, surface, rasterizer, config.edges)
        factor = None
        if self.depth is not None:
            with self.clock("depth"):
                asked = replace(config.depth, believed=np.inf) if self.believe_depth else config.depth
                solution, factor = lay_on_depth(solution, self.depth, surface, rasterizer, asked)
        pose, fit = solution.cam_from_obj, solution.fit
        with self.clock("silhouette"):
            mask = silhouette(surface, rasterizer, self.camera, pose)
        box = box_of_mask(mask)
        if box is None:
            return PoseEstimate(pose, 0.0, fit.agreement, (0.0, 0.0, 0.0, 0.0), mask, fit, factor)
        return PoseEstimate(pose, self.target.confidence.score(fit), fit.agreement, box, mask, fit, factor)

    def _told_from_twins(self, solution: Solution, config: FinishConfig, asked: TwinConfig) -> Solution:
        """The pose, or the twin whose colours the image has instead of its own."""
        target, pose = self.target, solution.cam_from_obj

        def likes(evidence: Evidence, twin: RigidTransform) -> float:
            return verdict(target.rasterizer, self.image, evidence, twin, pose, asked)

        with self.clock("twins"):
            twins = [pose @ turn for turn in target.twins] if len(target.twins) <= asked.most else []
            liked = [likes(solution.evidence, twin) for twin in twins]
        if not liked:
            return solution
        told = replace(solution, fit=replace(solution.fit, told=sureness(liked, asked)))
        if max(liked) < asked.clear:
            return told
        twin = twins[int(np.argmax(liked))]
        box = target.box(self.camera, twin)
        found = self._pass(box, [twin], self.config.follow, self.config.rolls_deg) if box else []
        with self.clock("appearance"):
            laid = [lay_print(rival, self.image, target.surface, target.rasterizer, config.appearance) for rival in found[:1]]
        with self.clock("twins"):
            sure = [(s, how) for s in laid if (how := likes(s.evidence, s.cam_from_obj)) >= asked.clear]
        return next((replace(s, fit=replace(s.fit, told=sureness([-how], asked))) for s, how in sure), told)

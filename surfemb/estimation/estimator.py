"""Image in, metric poses out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.scene.images import box_of_mask
from reconstruction.workspace import Workspace
from surfemb.estimation.appearance import AppearanceConfig
from surfemb.estimation.clock import Clock
from surfemb.estimation.confidence import Confidence
from surfemb.estimation.correspondences import Evidence, QueryModel, sample_surface
from surfemb.estimation.depth import check_depth
from surfemb.estimation.estimates import Estimates, PoseEstimate
from surfemb.estimation.finish import FinishConfig, lay_on_depth, lay_on_edges, lay_print, silhouette
from surfemb.estimation.image_edges import EdgeConfig
from surfemb.estimation.inputs import Box, as_rgb, check_inputs, touches
from surfemb.estimation.pnp import HypothesisConfig
from surfemb.estimation.rolled import observe
from surfemb.estimation.search import SearchConfig, find_boxes, overlap
from surfemb.estimation.solve import Solution, SolveConfig, solve_crop
from surfemb.estimation.twins import TwinConfig, find_twins, verdict
from surfemb.samples.viewpoints import projected_box
from surfemb.symmetry import Symmetry

FACING = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""cam_from_obj of an object that stands upright and shows its x axis to the camera."""


@dataclass(frozen=True)
class EstimatorConfig:
    """surface_points: over which the distributions are normalised. padding: crop side over the box's longer side.

    rolls_deg: turns of a crop that an estimate asks the networks about; tracking asks once. passes: how often the crop is taken anew
    around the pose found. min_score: answers below it are not given. sure: a search ends with an answer of this score. likely: of a
    candidate's first pose, before it is compared with the image (the generated mug: right ones 0.38 to 0.97, others mostly up to 0.23).
    rival_margin: poses that the networks like less than the best by no more than this are compared with the image as well. solve: of
    an estimate; glance: of a search's first look at a candidate, unturned; again: of further passes, where the poses so far compete;
    follow: of tracking, where the last pose is the only hypothesis.
    """

    crop_px: int = 128
    padding: float = 1.3
    surface_points: int = 2500
    rolls_deg: tuple[float, ...] = (0.0, -20.0, 20.0)
    passes: int = 2
    rival_margin: float = 0.6
    min_score: float = 0.5
    sure: float = 0.9
    likely: float = 0.3
    rasterizer: str = "cpu"
    seed: int = 0
    solve: SolveConfig = field(default_factory=SolveConfig)
    glance: SolveConfig = field(default_factory=lambda: SolveConfig(refined=3, finalists=1))
    again: SolveConfig = field(default_factory=lambda: SolveConfig(refined=2, hypotheses=HypothesisConfig(draws=150)))
    follow: SolveConfig = field(default_factory=lambda: SolveConfig(refined=1, hypotheses=None))
    finish: FinishConfig = field(default_factory=FinishConfig)
    follow_finish: FinishConfig = field(
        default_factory=lambda: FinishConfig(AppearanceConfig(px=160, rounds=1), None, EdgeConfig(px=160, near=(0.75,)))
    )
    search: SearchConfig = field(default_factory=SearchConfig)


class PoseEstimator:
    """Holds what is computed once an object: surface points with keys, ray-casting scene, networks.

    metric: whether the mesh is in metres; where it is in arbitrary units, depth can't be used. symmetry: of poses that look the same
    always the same one is answered: the one nearest to `FACING`, or to the last pose. twins: obj_from_obj of turns that only the
    object's colours tell apart.
    """

    def __init__(
        self,
        model: QueryModel,
        mesh: Mesh,
        config: EstimatorConfig = EstimatorConfig(),
        confidence: Confidence = Confidence(),
        metric: bool = True,
        symmetry: Symmetry = Symmetry(),
        twins: tuple[RigidTransform, ...] = (),
    ) -> None:
        self.model, self.mesh, self.config, self.confidence, self.metric = model, mesh, config, confidence, metric
        self.symmetry, self.twins = symmetry, twins
        self.surface = sample_surface(mesh, model, config.surface_points, config.seed)
        self.rasterizer = make_rasterizer(mesh, config.rasterizer)

    @property
    def device(self) -> str:
        """Where the networks run."""
        return str(next(self.model.parameters()).device) if isinstance(self.model, torch.nn.Module) else "cpu"

    @classmethod
    def load(cls, object_dir: Path, config: EstimatorConfig = EstimatorConfig(), calibrated: bool = True) -> PoseEstimator:
        """Reads mesh, networks and, once validated, the object's score calibration and symmetry, but not where `calibrated` is False.

        Raises InputError where it is not trained, or was calibrated by another version.
        """
        from surfemb.learning.network import CorrespondenceModel

        workspace = Workspace(object_dir)
        for path in (workspace.scale, workspace.mesh, workspace.model, workspace.weights):
            if not path.exists():
                raise InputError(
                    f"{object_dir} has no {path.parent.name}/{path.name}", try_next="onboard the object first, or go on with --resume"
                )
        model = CorrespondenceModel.load(workspace.model, workspace.weights)
        confidence, symmetry, shape = Confidence(), Symmetry(), Symmetry()
        if calibrated and workspace.accuracy.exists():
            accuracy = json.loads(workspace.accuracy.read_text())
            confidence, symmetry = Confidence.from_json(accuracy["confidence"]), Symmetry.from_bop(accuracy.get("symmetry", {}))
            shape = Symmetry.from_bop(accuracy.get("symmetry_of_shape", {}))
        metric = json.loads(workspace.scale.read_text())["units"] == "m"
        config, twins = replace(config, crop_px=model.config.crop_px), find_twins(symmetry, shape)
        return cls(model, Mesh.load(workspace.mesh), config, confidence, metric, symmetry, twins)

    def estimate(
        self,
        image: UInt8[ndarray, "h w *c"],
        camera: Camera,
        boxes: list[Box] | None = None,
        depth: Float[ndarray, "h w"] | None = None,
        max_instances: int = 1,
    ) -> Estimates:
        """Poses in an undistorted RGB image (grey and alpha are converted); without boxes the image is searched.

        boxes: (x0, y0, x1, y1) pixels, one instance each. depth: metres, 0 = none, registered to the image.
        Raises InputError for an image, camera, box or depth map that can't be right, and for depth where the scale is unknown.
        """
        clock = Clock()
        image, depth = self._checked(image, camera, boxes, depth)
        if boxes is None:
            poses = self._search(image, camera, depth, max_instances, clock)
        else:
            found = [self._solve(image, camera, box, clock, self.config.passes) for box in boxes]
            poses = [self._finish(rivals, image, depth, clock, self.config.finish) for rivals in found if rivals]
        return self._answer(poses, FACING, clock)

    def track(
        self, image: UInt8[ndarray, "h w *c"], camera: Camera, last: RigidTransform, depth: Float[ndarray, "h w"] | None = None
    ) -> Estimates:
        """The pose in the next frame of a video from that in the last one, `cam_from_obj`, in a fraction of the time of `estimate`.

        Nothing else is tried: an empty answer says that the object is lost, or moved by more than about a third of itself. Then
        `estimate` again. Everything else as there.
        """
        clock = Clock()
        image, depth = self._checked(image, camera, None, depth)
        box = self._projected_box(camera, last)
        rivals: list[Solution] = []
        if box is not None and touches(box, camera):
            rivals = self._pass(image, camera, box, [last], clock, self.config.follow, (0.0,))
        poses = [self._finish(rivals, image, depth, clock, self.config.follow_finish)] if rivals else []
        return self._answer(poses, last.rotation, clock)

    def _checked(
        self, image: ndarray, camera: Camera, boxes: list[Box] | None, depth: ndarray | None
    ) -> tuple[UInt8[ndarray, "h w 3"], Float[ndarray, "h w"] | None]:
        image = as_rgb(image)
        check_inputs(image, camera, boxes)
        if depth is None:
            return image, None
        if not self.metric:
            raise InputError(
                "the object's size in metres is unknown, so depth can't be compared with it",
                try_next="onboard it with a source of scale (tags, a board, depth or a known length), or estimate without depth",
            )
        return image, check_depth(depth, camera)

    def _answer(self, poses: list[PoseEstimate], reference: Float[ndarray, "3 3"], clock: Clock) -> Estimates:
        """Those that are sure enough, each turned to the one of its equals that is nearest to `reference`."""
        given = [pose for pose in poses if pose.score >= self.config.min_score]
        return Estimates([replace(p, cam_from_obj=self.symmetry.nearest(p.cam_from_obj, reference)) for p in given], clock.finish())

    def _search(self, image: ndarray, camera: Camera, depth: ndarray | None, max_instances: int, clock: Clock) -> list[PoseEstimate]:
        """Until there are so many sure answers: what looks likely at first sight is seen to at once, the best of the rest at the end."""
        poses: list[PoseEstimate] = []
        rest: list[tuple[float, list[Solution]]] = []

        def seen_to(rivals: list[Solution]) -> bool:
            poses.append(self._finish(self._again(image, camera, rivals, clock), image, depth, clock, self.config.finish))
            kept = _apart(poses, max_instances)
            return len(kept) == max_instances and kept[-1].score >= self.config.sure

        for box in self._candidates(image, camera, clock):
            if any(pose.score >= self.config.sure and overlap(box, pose.box) > 0.5 for pose in poses):
                continue
            rivals = self._pass(image, camera, box, [], clock, self.config.glance, (0.0,))
            score = self.confidence.score(rivals[0].fit) if rivals else 0.0
            if score < self.config.likely:
                rest += [(score, rivals)] if rivals else []
            elif seen_to(rivals):
                return _apart(poses, max_instances)
        rest.sort(key=lambda found: -found[0])
        for _, rivals in rest[: max(0, max(3, 2 * max_instances) - len(poses))]:
            if seen_to(rivals):
                break
        return _apart(poses, max_instances)

    def _candidates(self, image: ndarray, camera: Camera, clock: Clock) -> Iterator[Box]:
        rounds = find_boxes(self.model, self.surface, image, camera, self.config.crop_px / self.config.padding, self.config.search)
        while True:
            with clock("search"):
                boxes = next(rounds, None)
            if boxes is None:
                return
            yield from boxes

    def _solve(self, image: ndarray, camera: Camera, box: Box, clock: Clock, passes: int) -> list[Solution]:
        """The best pose in the box and its rivals, which explain nearly as much; empty where there is none."""
        rivals = self._pass(image, camera, box, [], clock, self.config.solve, self.config.rolls_deg)
        for _ in range(passes - 1):
            if rivals:
                rivals = self._again(image, camera, rivals, clock)
        return rivals

    def _again(self, image: ndarray, camera: Camera, rivals: list[Solution], clock: Clock) -> list[Solution]:
        """Crops anew around the best pose; the poses so far compete, so the answer can't get worse by the score."""
        box = self._projected_box(camera, rivals[0].cam_from_obj)
        if box is None or min(box[2] - box[0], box[3] - box[1]) < 2:
            return rivals
        known = [rival.cam_from_obj for rival in rivals]
        return self._pass(image, camera, box, known, clock, self.config.again, self.config.rolls_deg) or rivals

    def _pass(
        self,
        image: ndarray,
        camera: Camera,
        box: Box,
        known: list[RigidTransform],
        clock: Clock,
        config: SolveConfig,
        rolls_deg: Sequence[float],
    ) -> list[Solution]:
        with clock("network"):
            evidence = self.observe(image, camera, box, rolls_deg)
        with clock("pose"):
            return solve_crop(evidence, self.surface, self.rasterizer, config, known, self.config.seed)

    def observe(self, image: UInt8[ndarray, "h w 3"], camera: Camera, box: Box, rolls_deg: Sequence[float]) -> Evidence:
        """What the networks say about the crop around a box."""
        crop = camera.crop_towards(box, self.config.crop_px, self.config.padding)
        return observe(self.model, self.surface, image, crop, rolls_deg)

    def _finish(self, rivals: list[Solution], image: ndarray, depth: ndarray | None, clock: Clock, config: FinishConfig) -> PoseEstimate:
        camera = rivals[0].evidence.crop.source
        with clock("appearance"):
            worth = [rival for rival in rivals if rival.fit.total > rivals[0].fit.total - self.config.rival_margin]
            laid = (lay_print(rival, image, self.surface, self.rasterizer, config.appearance) for rival in worth)
            solution = max(laid, key=lambda found: found.fit.with_likeness)
        if config.twins is not None:
            solution = self._told_from_twins(solution, image, clock, config, config.twins)
        with clock("edges"):
            solution = lay_on_edges(solution, image, self.surface, self.rasterizer, config.edges)
        if depth is not None:
            with clock("depth"):
                solution = lay_on_depth(solution, depth, self.surface, self.rasterizer, config.depth)
        pose, fit = solution.cam_from_obj, solution.fit
        with clock("silhouette"):
            mask = silhouette(self.surface, self.rasterizer, camera, pose)
        box = box_of_mask(mask)
        if box is None:
            return PoseEstimate(pose, 0.0, fit.agreement, (0.0, 0.0, 0.0, 0.0), mask, fit)
        return PoseEstimate(pose, self.confidence.score(fit), fit.agreement, box, mask, fit)

    def _told_from_twins(self, solution: Solution, image: ndarray, clock: Clock, config: FinishConfig, asked: TwinConfig) -> Solution:
        """The pose, or the twin whose colours the image has instead of its own."""
        evidence, pose = solution.evidence, solution.cam_from_obj
        with clock("twins"):
            twins = [pose @ turn for turn in self.twins] if len(self.twins) <= asked.most else []
            likes = [verdict(self.rasterizer, image, evidence, twin, pose, asked) for twin in twins]
        if not likes or max(likes) < asked.clear:
            return solution
        twin = twins[int(np.argmax(likes))]
        box = self._projected_box(evidence.crop.source, twin)
        found = self._pass(image, evidence.crop.source, box, [twin], clock, self.config.follow, self.config.rolls_deg) if box else []
        with clock("appearance"):
            laid = [lay_print(rival, image, self.surface, self.rasterizer, config.appearance) for rival in found[:1]]
        with clock("twins"):
            kept = [s for s in laid if verdict(self.rasterizer, image, s.evidence, s.cam_from_obj, pose, asked) >= asked.clear]
        return kept[0] if kept else solution

    def _projected_box(self, camera: Camera, cam_from_obj: RigidTransform) -> Box | None:
        return projected_box(camera, cam_from_obj, self.surface.points)


def _apart(poses: list[PoseEstimate], most: int) -> list[PoseEstimate]:
    """The best-scored ones, none over a better one."""
    kept: list[PoseEstimate] = []
    for pose in sorted(poses, key=lambda p: -p.score):
        if len(kept) < most and all(overlap(pose.box, other.box) < 0.5 for other in kept):
            kept.append(pose)
    return kept

"""Image in, metric poses out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Camera, Mesh, RigidTransform
from reconstruction.workspace import Workspace
from surfemb.estimation.confidence import Confidence
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.correspondences import QueryModel, sample_surface
from surfemb.estimation.depth import check_depth
from surfemb.estimation.estimates import Estimates, PoseEstimate
from surfemb.estimation.inputs import Box, as_rgb, check_inputs
from surfemb.estimation.look import Look, Target
from surfemb.estimation.twins import find_twins
from surfemb.symmetry import Symmetry

EXACT_SCALE = 0.003  # its standard deviation, relative, up to which a print may tell a distance better than a depth camera does
FACING = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""cam_from_obj of an object that stands upright and shows its x axis to the camera."""


class PoseEstimator:
    """Holds what is computed once an object: surface points with keys, ray-casting scene, networks.

    metric: whether the mesh is in metres; where it is in arbitrary units, depth can't be used. exact_scale: whether its size is known so
    well that its print may tell a distance better than a depth camera does. symmetry: of poses that look the same
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
        exact_scale: bool = True,
    ) -> None:
        self.mesh, self.metric, self.symmetry, self.exact_scale = mesh, metric, symmetry, exact_scale
        surface = sample_surface(mesh, model, config.surface_points, config.seed)
        self.target = Target(model, surface, make_rasterizer(mesh, config.rasterizer), confidence, twins, config)

    @property
    def device(self) -> str:
        """Where the networks run."""
        model = self.target.model
        return str(next(model.parameters()).device) if isinstance(model, torch.nn.Module) else "cpu"

    @property
    def rasterizer(self) -> str:
        """What draws the object."""
        return self.target.config.rasterizer

    @classmethod
    def load(
        cls, object_dir: Path, config: EstimatorConfig = EstimatorConfig(), calibrated: bool = True, early: bool = False
    ) -> PoseEstimator:
        """Reads mesh, networks and, once validated, the object's score calibration and symmetry, but not where `calibrated` is False.

        early: the networks of the first part of the training, which nothing has validated. Raises InputError where it is not trained,
        or was calibrated by another version.
        """
        from surfemb.learning.network import CorrespondenceModel

        workspace = Workspace(object_dir)
        trained = (workspace.early_model, workspace.early_weights) if early else (workspace.model, workspace.weights)
        for path in (workspace.scale, workspace.mesh, *trained):
            if not path.exists():
                advice = "onboard the object first, or go on with --resume"
                if workspace.early_weights.exists():
                    advice = "wait for the end of its training, or ask its early networks (early=True, --early)"
                raise InputError(f"{object_dir} has no {path.parent.name}/{path.name}", try_next=advice)
        model = CorrespondenceModel.load(*trained)
        confidence, symmetry, shape = Confidence(), Symmetry(), Symmetry()
        if calibrated and not early and workspace.accuracy.exists():
            accuracy = json.loads(workspace.accuracy.read_text())
            confidence, symmetry = Confidence.from_json(accuracy["confidence"]), Symmetry.from_bop(accuracy.get("symmetry", {}))
            shape = Symmetry.from_bop(accuracy.get("symmetry_of_shape", {}))
        scale = json.loads(workspace.scale.read_text())
        metric, uncertain = scale["units"] == "m", scale.get("rel_std")
        exact = uncertain is not None and uncertain < EXACT_SCALE
        config, twins = replace(config, crop_px=model.config.crop_px), find_twins(symmetry, shape)
        return cls(model, Mesh.load(workspace.mesh), config, confidence, metric, symmetry, twins, exact)

    def estimate(
        self,
        image: UInt8[ndarray, "h w *c"],
        camera: Camera,
        boxes: list[Box] | None = None,
        depth: Float[ndarray, "h w"] | None = None,
        max_instances: int = 1,
        believe_depth: bool = False,
    ) -> Estimates:
        """Poses in an undistorted RGB image (grey and alpha are converted); without boxes the image is searched.

        boxes: (x0, y0, x1, y1) pixels, one instance each. depth: metres, 0 = none, registered to the image.
        Where it is off as a whole from where the object's print is well laid, its shape alone counts, unless `believe_depth`: say so where
        the camera's focal length is not known well.
        Raises InputError for an image, camera, box or depth map that can't be right, and for depth where the scale is unknown.
        """
        look = self._look(image, camera, boxes, depth, believe_depth)
        return self._answer(look, look.all_over(max_instances) if boxes is None else look.at(boxes), FACING)

    def track(
        self,
        image: UInt8[ndarray, "h w *c"],
        camera: Camera,
        last: RigidTransform,
        depth: Float[ndarray, "h w"] | None = None,
        believe_depth: bool = False,
    ) -> Estimates:
        """The pose in the next frame of a video from that in the last one, `cam_from_obj`, in a fraction of the time of `estimate`.

        Nothing else is tried: an empty answer says that the object is lost, or moved by more than about a third of itself. Then
        `estimate` again. Everything else as there.
        """
        look = self._look(image, camera, None, depth, believe_depth)
        return self._answer(look, look.after(last), last.rotation)

    def _look(self, image: ndarray, camera: Camera, boxes: list[Box] | None, depth: ndarray | None, believe_depth: bool) -> Look:
        image = as_rgb(image)
        check_inputs(image, camera, boxes)
        if depth is not None and not self.metric:
            raise InputError(
                "the object's size in metres is unknown, so depth can't be compared with it",
                try_next="onboard it with a source of scale (tags, a board, depth or a known length), or estimate without depth",
            )
        checked = None if depth is None else check_depth(depth, camera)
        return Look(self.target, image, camera, checked, believe_depth or not self.exact_scale)

    def _answer(self, look: Look, poses: list[PoseEstimate], reference: Float[ndarray, "3 3"]) -> Estimates:
        """Those that are sure enough, each turned to the one of its equals that is nearest to `reference`."""
        given = [pose for pose in poses if pose.score >= self.target.config.min_score]
        nearest = [replace(p, cam_from_obj=self.symmetry.nearest(p.cam_from_obj, reference)) for p in given]
        return Estimates(nearest, look.clock.finish())

"""A reconstruction held against the truth of the capture it was made from. Nothing is aligned to look better."""

from __future__ import annotations

import json
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from reconstruction.generated.capture import GeneratedCapture, GeneratedPhoto
from reconstruction.metrics import SurfaceDistance, compare_surfaces, mask_iou
from reconstruction.rasterizers import make_rasterizer
from reconstruction.scene import Mesh, RigidTransform, View
from reconstruction.scene.images import read_mask
from reconstruction.scene.transforms import fit_similarity, rotation_error_deg
from reconstruction.scene.view import load_views
from reconstruction.sfm.lenses import PhotoLens, load_lenses
from reconstruction.workspace import Workspace

UNSEEN_OVER_DIAMETER = 0.02  # the rim this close to the table, and what stands on it, is in no photo
SAME_OVER_DIAMETER = 0.005  # behind what a camera sees: the same surface


@dataclass(frozen=True)
class Reconstructed:
    """What the stages made: masked views and lenses as in `masks/` and `sfm/`, metric views as in `scale/`, the mesh."""

    registered: int
    masked_views: list[View]
    lenses: dict[str, PhotoLens]
    metric_views: list[View]
    mesh: Mesh
    board_from_obj: RigidTransform

    @classmethod
    def load(cls, workspace: Workspace) -> Reconstructed:
        """Of an object that was onboarded with the capture's board, up to the surface at least."""
        return cls(
            len(load_views(workspace.sfm_views)),
            load_views(workspace.masked_views),
            load_lenses(workspace.sfm_lens),
            load_views(workspace.views),
            Mesh.load(workspace.mesh),
            RigidTransform.from_json(json.loads(workspace.board_from_obj.read_text())),
        )


def obj_from_truth(made: Reconstructed, capture: GeneratedCapture) -> RigidTransform:
    """From the truth's object frame to the system's, through the board: errors of scale and of the frame stay errors."""
    return made.board_from_obj.inverse() @ capture.board_from_obj


def surface_distance(capture: GeneratedCapture, made: Reconstructed) -> SurfaceDistance:
    """Of the mesh, where photos can see it."""
    truth = capture.mesh
    bottom = truth.bounds[0][2] + UNSEEN_OVER_DIAMETER * truth.diameter
    mesh = made.mesh.transformed(obj_from_truth(made, capture).inverse())
    return compare_surfaces(mesh, truth, above_z=bottom, seen=lambda points: seen_points(capture, points))


def seen_points(capture: GeneratedCapture, points: Float[ndarray, "n 3"]) -> Bool[ndarray, "n"]:
    """Which points of the true surface (truth frame) at least one camera sees, were nothing but the object there."""
    rasterizer, seen = make_rasterizer(capture.mesh), np.zeros(len(points), bool)
    for photo in capture.photos:
        in_camera = photo.cam_from_obj.apply(points)
        pixels = capture.camera.project(in_camera)
        shown = capture.camera.contains(pixels)
        column, row = pixels[shown].round().astype(int).T
        depth = rasterizer.render(capture.camera, photo.cam_from_obj).depth[row, column]
        seen[shown] |= (depth > 0) & (in_camera[shown, 2] < depth + SAME_OVER_DIAMETER * capture.mesh.diameter)
    return seen


def mask_ious(capture: GeneratedCapture, made: Reconstructed) -> dict[str, float]:
    """Of every mask that the system kept, on its own undistorted photos."""
    truth = {photo.name: photo for photo in capture.photos}
    pairs = ((view, view.mask()) for view in made.masked_views)
    return {v.name: mask_iou(mask, true_mask(truth[v.name], made.lenses[v.name], v)) for v, mask in pairs if mask is not None}


def true_mask(photo: GeneratedPhoto, lens: PhotoLens, view: View) -> Bool[ndarray, "h w"]:
    """The truth as the system's undistorted view shows it."""
    straight = lens.lens.undistort(read_mask(photo.mask_path).astype(np.uint8) * 255, lens.camera)
    return cv2.resize(straight, (view.camera.width, view.camera.height), interpolation=cv2.INTER_AREA) > 127


@dataclass(frozen=True)
class CameraErrors:
    """scale: how far the distances between camera centres are off, as a share. The rest is what a similarity can't explain."""

    scale: float
    centre_mm: float
    rotation_deg: float


def camera_errors(capture: GeneratedCapture, metric_views: list[View]) -> CameraErrors:
    """Medians over the cameras. Both frames are that of the object, each its own."""
    truth = {photo.name: photo.cam_from_obj for photo in capture.photos}
    true_centres = np.array([truth[view.name].inverse().translation for view in metric_views])
    true_from_made = fit_similarity(true_centres, np.array([view.centre_world for view in metric_views]))
    centres = [true_from_made.apply(view.centre_world) for view in metric_views]
    aligned = [true_from_made.camera_pose(view.cam_from_world) for view in metric_views]
    turned = [rotation_error_deg(a.rotation, truth[v.name].rotation) for a, v in zip(aligned, metric_views, strict=True)]
    offsets = np.linalg.norm(np.array(centres) - true_centres, axis=1)
    return CameraErrors(abs(1 / true_from_made.scale - 1), 1000 * float(np.median(offsets)), float(np.median(turned)))

"""The demo's numbers: what the system made, against the truth of the rendered capture. Pure; nothing is aligned to look better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from reconstruction.generated import GeneratedCapture
from reconstruction.generated.capture import GeneratedPhoto
from reconstruction.metrics import compare_surfaces, mask_iou
from reconstruction.scene import Mesh, RigidTransform, View
from reconstruction.scene.images import read_mask
from reconstruction.scene.transforms import fit_similarity
from reconstruction.sfm.lenses import PhotoLens
from surfemb.metrics import add_error, recall

UNSEEN_OVER_DIAMETER = 0.02  # the rim this close to the table, and what stands on it, is in no photo


@dataclass(frozen=True)
class Answer:
    """What POST /estimate said about a held-out photo. cam_from_obj is None where nothing was found."""

    name: str
    cam_from_obj: RigidTransform | None
    score: float
    milliseconds: float


@dataclass(frozen=True)
class Onboarded:
    """What the system made: masked views and lenses as in `masks/` and `sfm/`, metric views as in `scale/`."""

    masked_views: list[View]
    lenses: dict[str, PhotoLens]
    metric_views: list[View]
    mesh: Mesh
    board_from_obj: RigidTransform
    job: dict[str, Any]
    registered: int


def obj_from_truth(onboarded: Onboarded, capture: GeneratedCapture) -> RigidTransform:
    """From the truth's object frame to the system's, through the board: errors of scale and of the frame stay errors."""
    return onboarded.board_from_obj.inverse() @ capture.board_from_obj


def measure(capture: GeneratedCapture, onboarded: Onboarded, answers: list[Answer]) -> dict[str, Any]:
    """The report: see README for what each number means. Held-out photos without an answer count as wrong."""
    from_truth = obj_from_truth(onboarded, capture)
    truth = capture.mesh
    bottom = truth.bounds[0][2] + UNSEEN_OVER_DIAMETER * truth.diameter
    surface = compare_surfaces(onboarded.mesh.transformed(from_truth.inverse()), truth, above_z=bottom)
    ious = mask_ious(capture, onboarded)
    errors = add_over_diameter(capture, from_truth, answers)
    stages = {stage["name"]: stage["seconds"] for stage in onboarded.job["stages"]}
    return {
        "photos": len(capture.photos),
        "registered": onboarded.registered,
        "masks_kept": len(ious),
        "mask_iou_mean": float(np.mean(ious)) if ious else 0.0,
        "mask_iou_min": min(ious, default=0.0),
        "chamfer_over_diameter": surface.chamfer_over_diameter,
        "f_score_1_percent": surface.f_score,
        "scale_error": scale_error(capture, onboarded.metric_views),
        "onboard_seconds": {"total": onboarded.job["finished_at"] - onboarded.job["started_at"], **stages},
        "test_images": len(answers),
        "answered": sum(answer.cam_from_obj is not None for answer in answers),
        "recall_0_10d": recall(errors, 0.10),
        "recall_0_05d": recall(errors, 0.05),
        "add_over_diameter": {a.name: e if np.isfinite(e) else None for a, e in zip(answers, errors, strict=True)},
        "estimate_ms_median": float(np.median([answer.milliseconds for answer in answers])) if answers else 0.0,
    }


def mask_ious(capture: GeneratedCapture, onboarded: Onboarded) -> list[float]:
    """Of every mask that the system kept, on its own undistorted photos."""
    truth = {photo.name: photo for photo in capture.photos}
    ious = []
    for view in onboarded.masked_views:
        mask = view.mask()
        if mask is not None:
            ious.append(mask_iou(mask, true_mask(truth[view.name], onboarded.lenses[view.name], view)))
    return ious


def true_mask(photo: GeneratedPhoto, lens: PhotoLens, view: View) -> Bool[ndarray, "h w"]:
    """The truth as the system's undistorted view shows it."""
    straight = lens.lens.undistort(read_mask(photo.mask_path).astype(np.uint8) * 255, lens.camera)
    return cv2.resize(straight, (view.camera.width, view.camera.height), interpolation=cv2.INTER_AREA) > 127


def scale_error(capture: GeneratedCapture, metric_views: list[View]) -> float:
    """How far the distances between camera centres are off, as a share."""
    truth = {photo.name: photo.cam_from_obj.inverse().translation for photo in capture.photos}
    system = np.array([view.centre_world for view in metric_views])
    return abs(fit_similarity(system, np.array([truth[view.name] for view in metric_views])).scale - 1)


def add_over_diameter(capture: GeneratedCapture, from_truth: RigidTransform, answers: list[Answer]) -> list[float]:
    """ADD of every answer over the true diameter; infinite where there is none."""
    truth = {photo.name: photo.cam_from_obj for photo in capture.held_out}
    points, _ = capture.mesh.sample(5000, seed=0)
    return [
        np.inf
        if answer.cam_from_obj is None
        else add_error(answer.cam_from_obj @ from_truth, truth[answer.name], points) / capture.mesh.diameter
        for answer in answers
    ]

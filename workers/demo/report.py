"""The demo's numbers: what the system made, against the truth of the rendered capture. Pure; nothing is aligned to look better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reconstruction.generated import GeneratedCapture
from reconstruction.generated.truth import Reconstructed, camera_errors, mask_ious, obj_from_truth, surface_distance
from reconstruction.scene import RigidTransform
from surfemb.judging.metrics import add_error, recall


@dataclass(frozen=True)
class Answer:
    """What POST /estimate said about a held-out photo. cam_from_obj is None where nothing was found."""

    name: str
    cam_from_obj: RigidTransform | None
    score: float
    milliseconds: float


def measure(capture: GeneratedCapture, made: Reconstructed, job: dict[str, Any], answers: list[Answer]) -> dict[str, Any]:
    """The report: see README for what each number means. Held-out photos without an answer count as wrong."""
    surface = surface_distance(capture, made)
    ious = list(mask_ious(capture, made).values())
    errors = add_over_diameter(capture, obj_from_truth(made, capture), answers)
    stages = {stage["name"]: stage["seconds"] for stage in job["stages"]}
    return {
        "photos": len(capture.photos),
        "registered": made.registered,
        "masks_kept": len(ious),
        "mask_iou_mean": float(np.mean(ious)) if ious else 0.0,
        "mask_iou_min": min(ious, default=0.0),
        "chamfer_over_diameter": surface.chamfer_over_diameter,
        "f_score_1_percent": surface.f_score,
        "scale_error": camera_errors(capture, made.metric_views).scale,
        "first_answers_s": _until(stages, "early"),
        "onboard_seconds": {"total": job["finished_at"] - job["started_at"], **stages},
        "test_images": len(answers),
        "answered": sum(answer.cam_from_obj is not None for answer in answers),
        "recall_0_10d": recall(errors, 0.10),
        "recall_0_05d": recall(errors, 0.05),
        "add_over_diameter": {a.name: e if np.isfinite(e) else None for a, e in zip(answers, errors, strict=True)},
        "estimate_ms_median": float(np.median([answer.milliseconds for answer in answers])) if answers else 0.0,
    }


def _until(seconds: dict[str, float | None], last: str) -> float:
    """From the start to the end of a stage."""
    names = list(seconds)
    return sum(seconds[name] or 0.0 for name in names[: names.index(last) + 1])


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

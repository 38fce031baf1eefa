"""The object's own measured accuracy: poses in held-out photos against those of the reconstruction, and what the score means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from reconstruction.errors import InputError
from reconstruction.scene import Camera, RigidTransform, View
from reconstruction.scene.images import write_photo
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.scene.view import load_views
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from surfemb.estimation.confidence import Confidence, fit_confidence
from surfemb.estimation.estimates import PoseEstimate
from surfemb.estimation.estimator import EstimatorConfig, PoseEstimator
from surfemb.estimation.inputs import Box
from surfemb.estimation.search import overlap
from surfemb.judging.draw import draw_pose
from surfemb.judging.find_symmetry import find_symmetry
from surfemb.judging.metrics import add_error, adds_error, recall
from surfemb.judging.reliability import reliability, to_json
from surfemb.split import split_views
from surfemb.symmetry import Symmetry

THRESHOLDS = (0.02, 0.05, 0.10)  # of ADD, shares of the diameter
AXIS_STEP = 0.03  # of the diameter: turns about an axis are tried so far apart
RIGHT = 0.10  # below it a pose counts as right for the score's calibration


@dataclass(frozen=True)
class ValidationConfig:
    """views: held-out photos used at most. empty_boxes: of parts without the object, per photo. search: also without a box."""

    views: int = 16
    empty_boxes: int = 2
    search: bool = True
    overlays: int = 12
    seed: int = 0
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


@dataclass(frozen=True, eq=False)
class Trial:
    """One answer in one held-out photo. kind: "box", "search" or "empty" (a part of the photo without the object).

    truth: cam_from_obj, of those that look the same the one nearest to the answer.
    """

    view: View
    kind: str
    answer: PoseEstimate | None
    truth: RigidTransform
    add: float
    adds: float

    @property
    def right(self) -> bool:
        return self.kind != "empty" and self.add < RIGHT


@dataclass(frozen=True, eq=False)
class Accuracy:
    trials: list[Trial]
    confidence: Confidence

    def answered(self, kind: str, min_score: float) -> list[Trial]:
        """Trials of a kind, those whose answer would be withheld turned into misses."""
        return [t if self._given(t, min_score) else replace(t, answer=None, add=np.inf, adds=np.inf) for t in self.trials if t.kind == kind]

    def _given(self, trial: Trial, min_score: float) -> bool:
        return trial.answer is not None and trial.answer.fit is not None and self.confidence.score(trial.answer.fit) >= min_score


def measure_accuracy(
    estimator: PoseEstimator,
    views: Sequence[View],
    symmetry: Symmetry = Symmetry(),
    config: ValidationConfig = ValidationConfig(),
    progress: Progress = silent,
) -> Accuracy:
    """Estimates the object in masked views whose `cam_from_world` is the truth, and fits the score to right and wrong answers.

    A pose turned by the object's `symmetry` is as right as the truth itself. `estimator` must give answers of any score
    (min_score 0). Raises InputError where no view has a mask.
    """
    chosen = [v for v in views if v.mask_path is not None][:: max(1, -(-len(views) // config.views))]
    if not chosen:
        raise InputError("no held-out photo has a mask", try_next="onboard with more photos, or give masks")
    rng = np.random.default_rng(config.seed)
    same = symmetry.transforms(AXIS_STEP)
    trials: list[Trial] = []
    for i, view in enumerate(chosen):
        progress(i, len(chosen), f"photo {view.name}")
        trials += _trials(estimator, view, same, config, rng)
    right = [t.answer.fit for t in trials if t.right and t.answer is not None and t.answer.fit is not None]
    wrong = [t.answer.fit for t in trials if not t.right and t.answer is not None and t.answer.fit is not None]
    progress(len(chosen), len(chosen), "done")
    return Accuracy(trials, fit_confidence(right, wrong))


def _trials(
    estimator: PoseEstimator, view: View, same: list[RigidTransform], config: ValidationConfig, rng: np.random.Generator
) -> list[Trial]:
    mask, photo = view.mask(), view.photo()
    if mask is None or mask.sum() < 64:
        return []
    rows, columns = np.nonzero(mask)
    box = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
    if min(box[2] - box[0], box[3] - box[1]) < 8:
        return []
    asked: list[tuple[str, list[Box] | None]] = [("box", [box])]
    if config.search:
        asked.append(("search", None))
    asked += [("empty", [empty]) for empty in empty_boxes(view.camera, box, config.empty_boxes, rng)]
    trials = []
    for kind, boxes in asked:
        poses = estimator.estimate(photo, view.camera, boxes).poses
        answer = poses[0] if poses else None
        if kind == "empty" and answer is not None and overlap(answer.box, box) > 0.1:
            continue  # the second look wandered to the object itself: that is no false alarm
        trials.append(_judged(estimator, view, same, kind, answer))
    return trials


def _judged(estimator: PoseEstimator, view: View, same: list[RigidTransform], kind: str, answer: PoseEstimate | None) -> Trial:
    if answer is None:
        return Trial(view, kind, None, view.cam_from_world, np.inf, np.inf)
    points, diameter = estimator.surface.points, estimator.mesh.diameter
    truths = [view.cam_from_world @ turn for turn in same]
    errors = [add_error(answer.cam_from_obj, truth, points) / diameter for truth in truths]
    nearest = int(np.argmin(errors))
    adds = adds_error(answer.cam_from_obj, view.cam_from_world, points) / diameter
    return Trial(view, kind, answer, truths[nearest], errors[nearest], adds)


def empty_boxes(camera: Camera, object_box: Box, count: int, rng: np.random.Generator) -> list[Box]:
    """Boxes about as large as the object's that don't touch it; fewer than `count` where the photo has no room."""
    found: list[Box] = []
    side = max(object_box[2] - object_box[0], object_box[3] - object_box[1])
    for _ in range(50 * count):
        size = side * rng.uniform(0.7, 1.2)
        if len(found) == count:
            break
        if size < 8 or size > min(camera.width, camera.height) - 1:
            continue
        x, y = rng.uniform(0, camera.width - 1 - size), rng.uniform(0, camera.height - 1 - size)
        box = (float(x), float(y), float(x + size), float(y + size))
        if overlap(box, object_box) == 0:
            found.append(box)
    return found


def summarise(accuracy: Accuracy, diameter: float, min_score: float, metric: bool) -> dict[str, Any]:
    """The content of accuracy.json."""
    doc: dict[str, Any] = {"confidence": accuracy.confidence.to_json(), "min_score": min_score, "diameter": diameter}
    for kind in ("box", "search"):
        trials = accuracy.answered(kind, min_score)
        if trials:
            doc[kind] = _statistics(trials, diameter, metric)
    empty = accuracy.answered("empty", min_score)
    doc["empty_boxes"] = len(empty)
    doc["false_positive_rate"] = sum(t.answer is not None for t in empty) / len(empty) if empty else None
    answers = [t for t in accuracy.trials if t.answer is not None and t.answer.fit is not None]
    doc["reliability"] = to_json(reliability([(accuracy.confidence.score(t.answer.fit), t.right) for t in answers]))  # type: ignore[union-attr, arg-type]
    doc["trials"] = [_row(trial, accuracy.confidence) for trial in accuracy.trials]
    return doc


def _statistics(trials: list[Trial], diameter: float, metric: bool) -> dict[str, Any]:
    given = [t for t in trials if t.answer is not None]
    degrees = [rotation_error_deg(t.answer.cam_from_obj.rotation, t.truth.rotation) for t in given if t.answer]
    moved = [float(np.linalg.norm(t.answer.cam_from_obj.translation - t.truth.translation)) for t in given if t.answer]
    doc: dict[str, Any] = {"photos": len(trials), "answered": len(given)}
    for threshold in THRESHOLDS:
        doc[f"recall_{threshold:.2f}d".replace(".", "_")] = round(recall((t.add for t in trials), threshold), 4)
    doc["recall_adds_0_10d"] = round(recall((t.adds for t in trials), 0.10), 4)
    if given:
        doc["median_add_over_d"] = round(float(np.median([t.add for t in given])), 5)
        doc["median_deg"] = round(float(np.median(degrees)), 3)
        doc["median_shift_over_d"] = round(float(np.median(moved)) / diameter, 5)
        if metric:
            doc["median_mm"] = round(1e3 * float(np.median(moved)), 3)
    return doc


def _row(trial: Trial, confidence: Confidence) -> dict[str, Any]:
    fit = trial.answer.fit if trial.answer else None
    known = fit is not None and trial.kind != "empty"
    return {
        "photo": trial.view.name,
        "kind": trial.kind,
        "score": None if fit is None else round(confidence.score(fit), 4),
        "add_over_d": round(trial.add, 5) if known else None,
    }


def overlay_sheet(estimator: PoseEstimator, trials: Sequence[Trial], count: int, tile_px: int = 320) -> UInt8[ndarray, "h w 3"]:
    """Held-out photos with their poses, four in a row: green where right, red where wrong, plain where there is no answer."""
    shown = list(trials)[:: max(1, -(-len(trials) // count))]
    tiles = [_tile(estimator, trial, tile_px) for trial in shown]
    while len(tiles) % 4:
        tiles.append(np.zeros_like(tiles[0]))
    return np.concatenate([np.concatenate(tiles[i : i + 4], 1) for i in range(0, len(tiles), 4)])


def _tile(estimator: PoseEstimator, trial: Trial, tile_px: int) -> UInt8[ndarray, "t t 3"]:
    view = trial.view
    box = _box_at(view.camera, view.cam_from_world, estimator)
    crop = view.camera.crop_towards(box, tile_px, 1.8)
    tile = crop.warp(view.photo())
    if trial.answer is not None:
        color = (80, 255, 120) if trial.right else (255, 70, 60)
        tile = draw_pose(tile, crop.camera, estimator.mesh, crop.crop_from_cam @ trial.answer.cam_from_obj, color)
    label = f"{view.name[:18]} {trial.add:.3f} d" if trial.answer else f"{view.name[:18]} none"
    return np.asarray(cv2.putText(tile, label, (6, tile_px - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA))


def _box_at(camera: Camera, cam_from_obj: RigidTransform, estimator: PoseEstimator) -> Box:
    pixels = camera.project(cam_from_obj.apply(estimator.surface.points))
    (x0, y0), (x1, y1) = np.nanmin(pixels, 0), np.nanmax(pixels, 0)
    return float(x0), float(y0), float(x1), float(y1)


def run(config: ValidationConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    estimator = PoseEstimator.load(workspace.root, replace(config.estimator, min_score=0.0))
    _, held_out = split_views(load_views(workspace.views))
    symmetry = find_symmetry(estimator.mesh, config.seed)
    accuracy = measure_accuracy(estimator, held_out, symmetry.exact, config, context.progress)
    metric = json.loads(workspace.scale.read_text())["units"] == "m"
    doc = summarise(accuracy, estimator.mesh.diameter, config.estimator.min_score, metric)
    doc["symmetry"], doc["symmetry_of_shape"] = symmetry.exact.to_bop(), symmetry.shape.to_bop()
    (context.out / workspace.accuracy.name).write_text(json.dumps(doc, indent=1))
    boxed = accuracy.answered("box", config.estimator.min_score)
    if boxed:
        write_photo(context.out / "overlays.png", overlay_sheet(estimator, boxed, config.overlays))
    return {key: doc[key] for key in ("box", "search", "false_positive_rate", "min_score", "symmetry") if key in doc}


VALIDATION: Stage[ValidationConfig] = Stage("validation", 3, ("scale", "surface", "correspondence"), run)

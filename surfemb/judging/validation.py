"""The object's own measured accuracy: poses in held-out photos against those of the reconstruction, and what the score means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reconstruction.errors import InputError
from reconstruction.scene import RigidTransform, View
from reconstruction.scene.images import write_photo
from reconstruction.scene.transforms import rotation_error_deg
from reconstruction.scene.view import load_views
from reconstruction.stage import Progress, Quality, Stage, StageContext, silent
from surfemb.estimation.confidence import Confidence, fit_confidence
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.estimator import PoseEstimator
from surfemb.estimation.search import overlap
from surfemb.estimation.twins import find_twins
from surfemb.judging.find_symmetry import find_symmetry
from surfemb.judging.metrics import recall
from surfemb.judging.overlays import overlay_sheet
from surfemb.judging.questions import SHOWING, Kind, Question, QuestionConfig, questions, unseen_pictures
from surfemb.judging.reliability import reliability, to_json
from surfemb.judging.trials import Trial, judge
from surfemb.split import split_views
from surfemb.symmetry import Symmetry

THRESHOLDS = (0.02, 0.05, 0.10)  # of ADD, shares of the diameter
AXIS_STEP = 0.03  # of the diameter: turns about an axis are tried so far apart


@dataclass(frozen=True)
class ValidationConfig:
    """views: held-out photos used at most."""

    views: int = 16
    questions: QuestionConfig = field(default_factory=QuestionConfig)
    overlays: int = 12
    seed: int = 0
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


@dataclass(frozen=True, eq=False)
class Accuracy:
    trials: list[Trial]
    confidence: Confidence

    def answered(self, kind: Kind, min_score: float) -> list[Trial]:
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
    pictures = unseen_pictures(chosen, estimator.mesh.vertices, config.seed)
    same = symmetry.transforms(AXIS_STEP)
    trials: list[Trial] = []
    for i, view in enumerate(chosen):
        progress(i, len(chosen), f"photo {view.name}")
        trials += _trials(estimator, view, same, questions(view, pictures, config.questions, rng))
    right = [t.answer.fit for t in trials if t.right and t.answer is not None and t.answer.fit is not None]
    wrong = [t.answer.fit for t in trials if not t.right and t.answer is not None and t.answer.fit is not None]
    progress(len(chosen), len(chosen), "done")
    return Accuracy(trials, fit_confidence(right, wrong))


def _trials(estimator: PoseEstimator, view: View, same: list[RigidTransform], asked: Iterable[Question]) -> Iterator[Trial]:
    box = estimator.target.box(view.camera, view.cam_from_world)
    for question in asked:
        poses = estimator.estimate(question.photo, question.camera, question.boxes).poses
        answer = poses[0] if poses else None
        if question.kind == "empty" and answer is not None and box is not None and overlap(answer.box, box) > 0.1:
            continue  # the second look wandered to the object itself: that is no false alarm
        yield judge(estimator, view, same, question.kind, answer)


def summarise(accuracy: Accuracy, diameter: float, min_score: float, metric: bool) -> dict[str, Any]:
    """The content of accuracy.json."""
    doc: dict[str, Any] = {"confidence": accuracy.confidence.to_json(), "min_score": min_score, "diameter": diameter}
    for kind in SHOWING:
        trials = accuracy.answered(kind, min_score)
        if trials:
            doc[kind] = _statistics(trials, diameter, metric)
    empty = [*accuracy.answered("empty", min_score), *accuracy.answered("stranger", min_score)]
    doc["without_object"] = len(empty)
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
    known = fit is not None and trial.kind in SHOWING
    return {
        "photo": trial.view.name,
        "kind": trial.kind,
        "score": None if fit is None else round(confidence.score(fit), 4),
        "add_over_d": round(trial.add, 5) if known else None,
    }


def run(config: ValidationConfig, context: StageContext) -> Quality:
    workspace = context.workspace
    estimator = PoseEstimator.load(workspace.root, replace(config.estimator, min_score=0.0), calibrated=False)
    _, held_out = split_views(load_views(workspace.views))
    symmetry = find_symmetry(estimator.mesh, config.seed)
    estimator.target = replace(estimator.target, twins=find_twins(symmetry.exact, symmetry.shape))
    accuracy = measure_accuracy(estimator, held_out, symmetry.exact, config, context.progress)
    metric = json.loads(workspace.scale.read_text())["units"] == "m"
    doc = summarise(accuracy, estimator.mesh.diameter, config.estimator.min_score, metric)
    doc["symmetry"], doc["symmetry_of_shape"] = symmetry.exact.to_bop(), symmetry.shape.to_bop()
    (context.out / workspace.accuracy.name).write_text(json.dumps(doc, indent=1))
    boxed = accuracy.answered("box", config.estimator.min_score)
    if boxed:
        write_photo(context.out / "overlays.png", overlay_sheet(estimator, boxed, config.overlays))
    return {key: doc[key] for key in (*SHOWING, "false_positive_rate", "min_score", "symmetry") if key in doc}


VALIDATION: Stage[ValidationConfig] = Stage("validation", 8, ("scale", "surface", "correspondence"), run)

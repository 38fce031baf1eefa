"""What an estimator says about test images, and how far that is from the truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.pose.testset import TestImage, TestSet
from reconstruction.scene import RigidTransform
from surfemb.bop.pose_errors import PoseErrors
from surfemb.estimation.estimator import PoseEstimator
from surfemb.judging.metrics import add_error

Prompt = Literal["box", "search", "box_depth"]


@dataclass(frozen=True, eq=False)
class Answer:
    """add: over the diameter, to the nearest of the poses that look the same; infinite without an answer. errors: BOP's."""

    image: TestImage
    score: float
    milliseconds: float
    add: float
    errors: PoseErrors


def ask(estimator: PoseEstimator, tests: TestSet, prompt: Prompt) -> Iterator[Answer]:
    """`estimator` must give answers of any score."""
    for image in tests.images:
        boxes = None if prompt == "search" else [tests.box(image)]
        pixels, depth = image.pixels(), image.depth() if prompt == "box_depth" else None
        started = time.perf_counter()
        poses = estimator.estimate(pixels, image.camera, boxes, depth).poses
        milliseconds = 1000 * (time.perf_counter() - started)
        if poses:
            yield judge(tests, image, poses[0].cam_from_obj @ tests.made_from_truth, poses[0].score, milliseconds)
        else:
            yield judge(tests, image, None, 0.0, milliseconds)


def judge(tests: TestSet, image: TestImage, pose: RigidTransform | None, score: float, milliseconds: float) -> Answer:
    """pose: cam_from_obj in the truth's frame."""
    poses = [] if pose is None else [pose]
    points = tests.obj.mesh.vertices[:: len(tests.obj.mesh.vertices) // 5000 + 1]
    add = min((add_error(p, image.truth @ turn, points) for p in poses for turn in tests.turns), default=np.inf)
    errors = tests.meter.measure(poses, [image.truth], image.camera, image.depth())
    return Answer(image, score, milliseconds, float(add / tests.obj.diameter), errors)


def false_alarms(estimator: PoseEstimator, strangers: Sequence[TestImage]) -> list[float]:
    """The scores of what is found in images without the object; zero where nothing is."""
    found = (estimator.estimate(image.pixels(), image.camera).poses for image in strangers)
    return [poses[0].score if poses else 0.0 for poses in found]

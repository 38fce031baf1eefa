"""Answers every question with one known pose; an object called so that it should, with none, late, or by crashing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reconstruction.capture import Capture
from reconstruction.scene import RigidTransform


@dataclass(frozen=True)
class Pose:
    cam_from_obj: RigidTransform
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    poses: list[Pose]
    timing_ms: dict[str, float]


class StandInEstimator:
    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def load(cls, object_dir: Path) -> StandInEstimator:
        return cls(Capture.load(object_dir / "capture" / "capture.json").name)

    def estimate(self, image: Any, camera: Any, boxes: Any = None, depth: Any = None, max_instances: int = 1) -> Found:
        if self.name == "late":
            time.sleep(1.5)
        if self.name == "defect-later":
            raise RuntimeError("a defect")
        if self.name == "hidden":
            return Found([], {"estimate": 1.0})
        box = boxes[0] if boxes else (10.0, 20.0, 50.0, 80.0)
        cam_from_obj = RigidTransform.from_rotvec(np.array([0.0, 0.0, np.pi / 2]), np.array([0.1, 0.2, 0.5]))
        return Found([Pose(cam_from_obj, 0.9, box)], {"estimate": 1.0})

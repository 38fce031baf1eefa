"""Answers every question with one known pose; an object called so that it should, with none, late, or by crashing.

Each question leaves a line in `asked` in the object's folder, before anything else happens.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reconstruction.capture import Capture
from reconstruction.scene import RigidTransform
from surfemb.symmetry import Axis, Symmetry

SYMMETRIES = {
    "bottle": Symmetry(continuous=(Axis(np.array([0.0, 0.0, 1.0]), np.zeros(3)),)),
    "box": Symmetry(discrete=(RigidTransform.from_rotvec(np.array([0.0, 0.0, np.pi]), np.zeros(3)),)),
}


@dataclass(frozen=True)
class Pose:
    cam_from_obj: RigidTransform
    score: float
    box: tuple[float, float, float, float]
    mask: np.ndarray
    depth_factor: float | None = None


@dataclass(frozen=True)
class Found:
    poses: list[Pose]
    timing_ms: dict[str, float]


@dataclass
class StandInEstimator:
    object_dir: Path
    name: str
    rasterizer: str = "stand-in"
    device: str = "cpu"

    @property
    def symmetry(self) -> Symmetry:
        return SYMMETRIES.get(self.name, Symmetry())

    @classmethod
    def load(cls, object_dir: Path, early: bool = False) -> StandInEstimator:
        return cls(object_dir, Capture.load(object_dir / "capture" / "capture.json").name)

    def estimate(
        self, image: Any, camera: Any, boxes: Any = None, depth: Any = None, max_instances: int = 1, believe_depth: bool = False
    ) -> Found:
        with (self.object_dir / "asked").open("a") as asked:
            asked.write("once\n")
        if self.name == "late":
            time.sleep(1.5)
        if self.name == "held":  # until the test says so
            for _ in range(2000):
                if (self.object_dir / "release").exists():
                    break
                time.sleep(0.01)
        if self.name == "crash-later":
            os.abort()
        if self.name == "defect-later":
            raise RuntimeError("a defect")
        if self.name == "hidden":
            return Found([], {"estimate": 1.0})
        box = boxes[0] if boxes else (10.0, 20.0, 50.0, 80.0)
        cam_from_obj = RigidTransform.from_rotvec(np.array([0.0, 0.0, np.pi / 2]), np.array([0.1, 0.2, 0.5]))
        factor = None if depth is None else 1.0 if believe_depth else 1.02
        return Found([Pose(cam_from_obj, 0.9, box, filled(box, image.shape[:2]), factor)], {"estimate": 1.0})


def filled(box: tuple[float, float, float, float], shape: tuple[int, int]) -> np.ndarray:
    """The box's pixels, as far as they lie in the image."""
    rows, columns = np.indices(shape)
    x0, y0, x1, y1 = box
    return (columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1)

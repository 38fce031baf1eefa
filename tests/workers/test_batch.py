"""Many images in a row: each asked about by itself, or followed from the one before."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stand_in_estimator import Found, Pose

from reconstruction.scene import RigidTransform
from reconstruction.scene.images import write_photo
from workers.command.batch import Request, estimate_images

K = (60.0, 60.0, 32.0, 24.0)


@dataclass
class Watched:
    """Sees the object in bright images; follows it as long as it shows."""

    asked: list[str] = field(default_factory=list)

    def estimate(self, image: Any, camera: Any, boxes: Any = None, depth: Any = None, believe_depth: bool = False) -> Found:
        self.asked.append("searched")
        return self._answer(image, 0.0)

    def track(self, image: Any, camera: Any, last: RigidTransform, depth: Any = None, believe_depth: bool = False) -> Found:
        self.asked.append("followed")
        return self._answer(image, last.translation[0])

    def _answer(self, image: np.ndarray, x: float) -> Found:
        pose = Pose(RigidTransform(translation=np.array([x + 0.01, 0.0, 0.5])), 0.9, (0.0, 0.0, 9.0, 9.0), np.zeros(image.shape[:2], bool))
        return Found([pose] if image.mean() > 100 else [], {"total": 1.0})


def photos(folder: Path, bright: list[bool]) -> list[Path]:
    paths = [folder / f"{i}.png" for i in range(len(bright))]
    for path, light in zip(paths, bright, strict=True):
        write_photo(path, np.full((48, 64, 3), 200 if light else 20, np.uint8))
    return paths


def test_an_object_is_followed_until_it_is_lost_and_then_searched_for(tmp_path: Path) -> None:
    estimator = Watched()
    frames = photos(tmp_path, [True, True, True, False, False, True])
    results = list(estimate_images(estimator, frames, Request(K, track=True)))
    assert estimator.asked == ["searched", "followed", "followed", "followed", "searched", "searched", "searched"]
    assert [len(result.poses) for result in results] == [1, 1, 1, 0, 0, 1]
    assert results[2].poses[0].cam_from_obj.translation[0] == 0.03, "each from the one before"


def test_images_that_do_not_follow_each_other_are_each_searched(tmp_path: Path) -> None:
    estimator = Watched()
    list(estimate_images(estimator, photos(tmp_path, [True, True]), Request(K)))
    assert estimator.asked == ["searched", "searched"]

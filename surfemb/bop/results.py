"""BOP's results file: one row an estimate, as the challenge's own scripts read it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reconstruction.errors import InputError
from reconstruction.scene import RigidTransform

HEADER = ["scene_id", "im_id", "obj_id", "score", "R", "t", "time"]


@dataclass(frozen=True)
class BopEstimate:
    """seconds: of the whole image, the same for all of its estimates; -1 where it was not taken."""

    scene_id: int
    image_id: int
    obj_id: int
    score: float
    cam_from_obj: RigidTransform
    seconds: float = -1.0


def write_results(path: Path, estimates: Iterable[BopEstimate]) -> None:
    """Lengths in millimetres, rotations row by row."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for e in estimates:
            turn = " ".join(f"{v:.9g}" for v in e.cam_from_obj.rotation.reshape(-1))
            shift = " ".join(f"{1000 * v:.9g}" for v in e.cam_from_obj.translation)
            writer.writerow([e.scene_id, e.image_id, e.obj_id, f"{e.score:.9g}", turn, shift, f"{e.seconds:.6g}"])


def read_results(path: Path) -> list[BopEstimate]:
    """Raises InputError, with its number, where a row is malformed."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != HEADER:
        raise InputError(f"{path.name} has no header {','.join(HEADER)}", try_next="write it as the BOP challenge asks")
    return [_estimate(path, number, row) for number, row in enumerate(rows[1:], start=2)]


def _estimate(path: Path, number: int, row: list[str]) -> BopEstimate:
    try:
        scene, image, obj, score, turn, shift, seconds = row
        pose = RigidTransform.from_json({"R": np.array(turn.split(), float), "t": np.array(shift.split(), float) / 1000})
        return BopEstimate(int(scene), int(image), int(obj), float(score), pose, float(seconds))
    except ValueError as error:
        raise InputError(f"line {number} of {path.name} can't be read ({error})", try_next="mend or remove it") from error

"""Poses of onboarded objects against the truth: recall by visible share, BOP's average recall, false alarms, time.

usage: python -m benchmarks.pose [--generated NAME ...] [--scans FOLDER] [--board SCENE NAME ...] [--lmo FOLDER [--lmo-only NAME ...]]
                                 [--photos 60] [--images 60] [--profile standard] [--early] [--out runs/bench]

(a) objects that the code renders, and scanned ones where their folder is given; (b) a real tag-board scene; (c) BOP's LM-O, the objects
onboarded from captures rendered of the given models. Each is onboarded unless OUT/pose has it, and asked about with the true box, by
searching the image, and with depth where there is any. Images of the other objects of (a) give the false alarms. A record for each data
set and object goes to OUT/pose.json; those of other runs stay in it. The seed is 7.

--early asks the networks of the first part of the training: what the service answers with while the rest goes on (NAME/early).
With fewer or more photos than 60 a generated object is another one, NAME-of-N: how many photos do poses need?
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.pose import generated, lmo, scene
from benchmarks.pose.answers import Answer, ask, false_alarms
from benchmarks.pose.plain import measure_speedup
from benchmarks.pose.record import summarise
from benchmarks.pose.testset import TestImage, TestSet
from benchmarks.reconstruction.subjects import list_subjects
from reconstruction.workspace import Workspace
from surfemb.estimation.config import EstimatorConfig
from surfemb.estimation.estimator import PoseEstimator
from surfemb.judging.reliability import reliability, to_json
from surfemb.judging.trials import RIGHT
from workers.command.console import Bars
from workers.pipeline import Recipe

STRANGERS = 40  # images without the object
MIN_SCORE = EstimatorConfig().min_score
Prepared = tuple[TestSet, Workspace]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generated", nargs="*", default=[])
    parser.add_argument("--scans", type=Path, help="folder of scanned objects, each with mesh.npz and texture.jpg")
    parser.add_argument("--board", nargs="+", metavar=("SCENE", "NAME"), default=[])
    parser.add_argument("--lmo", type=Path)
    parser.add_argument("--lmo-only", nargs="*", default=list(lmo.OBJECTS))
    parser.add_argument("--photos", type=int, default=generated.PHOTOS, help="of each of (a)")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--early", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    a = parser.parse_args()
    console = Console()
    prepared = [*_generated(a, console), *_board(a), *_lmo(a, console)]
    path = a.out / "pose.json"
    report = json.loads(path.read_text()) if path.exists() else {"records": {}}
    for tests, workspace in prepared:
        console.rule(f"{tests.dataset} {tests.name}")
        estimator = PoseEstimator.load(workspace.root, EstimatorConfig(min_score=0.0), early=a.early)
        record = measure(tests, estimator, strangers_of(tests, prepared), console)
        report["records"][f"{tests.dataset}/{tests.name}{'/early' if a.early else ''}"] = {"profile": a.profile, **record}
        path.write_text(json.dumps(report, indent=1))
        console.print_json(json.dumps({k: v for k, v in record.items() if k != "reliability"}))


def _generated(a: argparse.Namespace, console: Console) -> list[Prepared]:
    subjects, prepared = list_subjects(a.scans), []
    for name in a.generated:
        called = name if a.photos == generated.PHOTOS else f"{name}-of-{a.photos}"
        folder = a.out / "pose" / "generated" / called
        console.rule(f"onboarding {called}")
        with Bars(console) as bars:
            workspace = generated.onboard(folder, name, subjects[name], Recipe(a.profile), bars, a.photos)
        prepared.append((generated.make_tests(folder, called, subjects[name], a.images, workspace), workspace))
    return prepared


def _board(a: argparse.Namespace) -> list[Prepared]:
    folders = {name: a.out / "pose" / "board" / name for name in a.board[1:]}
    made = {name: scene.onboard_from_scene(Path(a.board[0]), name, folder, a.profile) for name, folder in folders.items()}
    return [(scene.make_tests(Path(a.board[0]), name, folders[name], workspace), workspace) for name, workspace in made.items()]


def _lmo(a: argparse.Namespace, console: Console) -> list[Prepared]:
    prepared = []
    for name, obj in lmo.load_objects(a.lmo).items() if a.lmo else ():
        if name not in a.lmo_only:
            continue
        folder, (make_mesh, _) = a.out / "pose" / "lmo" / name, lmo.centred(obj)
        console.rule(f"onboarding {name}")
        with Bars(console) as bars:
            workspace = generated.onboard(folder, name, make_mesh, Recipe(a.profile, lmo.LOOKS), bars, true_masks=True)
        prepared.append((lmo.make_tests(a.lmo, name, obj, folder, workspace), workspace))
    return prepared


def strangers_of(tests: TestSet, prepared: Sequence[Prepared]) -> list[TestImage]:
    """Images of the same data set's other objects, evenly: none of them shows this one. LM-O's show all of its objects at once."""
    others = [
        image for other, _ in prepared for image in other.images if other is not tests and other.dataset == "generated" == tests.dataset
    ]
    return others[:: max(1, -(-len(others) // STRANGERS))]


def measure(tests: TestSet, estimator: PoseEstimator, strangers: Sequence[TestImage], console: Console) -> dict[str, Any]:
    estimator.estimate(tests.images[0].pixels(), tests.images[0].camera)  # compiles
    started = time.monotonic()
    boxed = list(ask(estimator, tests, "box"))
    console.print(f"{len(boxed)} images with the true box, {time.monotonic() - started:.0f} s")
    searched = list(ask(estimator, tests, "search"))
    console.print(f"{len(searched)} images searched, {time.monotonic() - started:.0f} s")
    deep = list(ask(estimator, tests, "box_depth")) if tests.images[0].depth_path else []
    alarms = false_alarms(estimator, strangers)
    record: dict[str, Any] = summarise(boxed, MIN_SCORE)
    record["search"] = summarise(searched, MIN_SCORE)
    if deep:
        record["depth"] = summarise(deep, MIN_SCORE)
    record["false_positive_rate"] = sum(score >= MIN_SCORE for score in alarms) / len(alarms) if alarms else None
    record["strangers"] = len(alarms)
    record["reliability"] = to_json(reliability([(a.score, a.add < RIGHT) for a in (*boxed, *searched) if a.score]))
    record |= measure_speedup(estimator, tests)
    record["answers"] = {"box": _rows(boxed), "search": _rows(searched), "depth": _rows(deep)}
    return record


def _rows(answers: Sequence[Answer]) -> list[list[Any]]:
    """Name, visible share, score, ADD over the diameter."""
    return [[a.image.name, a.image.visible, round(a.score, 4), round(a.add, 5) if a.score else None] for a in answers]


if __name__ == "__main__":
    started = time.monotonic()
    main()
    Console().print(f"{time.monotonic() - started:.0f} s")

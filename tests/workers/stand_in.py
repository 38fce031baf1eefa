"""A pipeline of stand-in stages for tests of the engine: the same machinery, seconds instead of minutes.

`SNAP6D_PIPELINE=stand_in:PIPELINE` with this folder on PYTHONPATH. What a stage does beside its duty is read from the name
of the object: `crash-once`, `crash-always`, `fail`, `slow`, `grandchild`, `unscaled`, `writes-much` (5 MiB), `weak`: its first photo is
blurred, the last of another place; `trains`: for a minute after its scale, from which on estimates are answered.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from reconstruction.capture import Capture
from reconstruction.errors import CaptureError
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.verdicts import PhotoFacts, find_flaws, judge_photos, photo_warnings, save_rows
from workers.pipeline import Pipeline, Step


@dataclass(frozen=True)
class StandInConfig:
    steps: int = 3
    seconds: float = 0.05


@dataclass(frozen=True)
class StandInProfile:
    first: StandInConfig = StandInConfig()
    second: StandInConfig = StandInConfig()
    third: StandInConfig = StandInConfig()


PROFILES = {"standard": StandInProfile(), "preview": StandInProfile(first=StandInConfig(steps=1)), "full": StandInProfile()}


def _work(config: StandInConfig, context: StageContext) -> Quality:
    for step in range(config.steps):
        context.progress(step, config.steps, "working")
        time.sleep(config.seconds)
    context.progress(config.steps, config.steps)
    print("chatter on standard output must not reach the supervisor")
    (context.out / "result.txt").write_text(context.out.name)
    return {"value": 1.5, "not_a_number": float("nan")}


def _trouble(config: StandInConfig, context: StageContext) -> Quality:
    name = Capture.load(context.workspace.capture).name
    seen = context.scratch / "seen"
    tries = len(seen.read_text()) if seen.exists() else 0
    seen.write_text("x" * (tries + 1))
    if name in ("weak", "fail"):
        facts = _weak_photos(context)
        save_rows(context.scratch / "photos.json", facts)
    context.live.show("shown.json", lambda: b'{"rows": [], "steps": 3}', 0)
    if name == "fail":
        raise CaptureError("12 of 98 photos registered", try_next="add overlap or texture around the object")
    if name == "crash-always" or (name == "crash-once" and tries == 0):
        os.abort()
    if name == "defect":
        raise KeyError("a defect")
    if name.startswith("writes-much"):
        _write_much(context.out / "much.bin", name.endswith("unsaid"))
    if name == "grandchild":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (context.workspace.root / "grandchild.pid").write_text(str(child.pid))
        time.sleep(600)
    if name == "slow":
        for step in range(100):
            context.progress(step, 100)
            time.sleep(0.1)
    if name == "weak":
        save_rows(context.out / "photos.json", facts)
        return {**_work(config, context), "warnings": photo_warnings(judge_photos(facts), find_flaws(facts))}
    return _work(config, context)


def _write_much(path: Path, unsaid: bool) -> None:
    try:
        path.write_bytes(bytes(5 << 20))
    except OSError as error:
        if unsaid:
            raise RuntimeError("a library's writer failed") from error
        raise


def _weak_photos(context: StageContext) -> list[PhotoFacts]:
    stems = sorted(path.stem for path in context.workspace.photos.iterdir())
    return [PhotoFacts(s, 1.0 if s == stems[0] else 4.0, 0.0, 0.0, s != stems[-1], 0 if s == stems[-1] else 5) for s in stems]


def _scale(config: StandInConfig, context: StageContext) -> Quality:
    known = {"source": "board", "units": "m", "rel_std": 0.004}
    unknown = {"source": None, "units": "object", "rel_std": None}
    name = Capture.load(context.workspace.capture).name
    (context.out / "scale.json").write_text(json.dumps(unknown if name == "unscaled" else known))
    return _work(config, context)


def _surface(config: StandInConfig, context: StageContext) -> Quality:
    (context.out / "mesh.ply").write_bytes(b"ply\n" + bytes(1000))
    (context.out / "mesh.glb").write_bytes(b"glTF")
    (context.out / "preview.png").write_bytes(b"held-out photos beside renders")
    for step in range(600 if Capture.load(context.workspace.capture).name == "trains" else 0):
        context.progress(step, 600)
        time.sleep(0.1)
    score = {"photo": "a", "psnr": 25.0, "psnr_exposed": 29.0, "iou": 0.97}
    return {**_work(config, context), "psnr_heldout": 25.0, "psnr_heldout_exposed": 29.0, "iou_heldout": 0.97, "heldout": [score]}


FIRST = Stage("sfm", 1, ("capture",), _trouble)
SECOND = Stage("scale", 1, ("capture", "sfm"), _scale)
THIRD = Stage("surface", 1, ("scale",), _surface)

PIPELINE = Pipeline(
    (
        Step("sfm", "stand_in:FIRST", "first", 0.5),
        Step("scale", "stand_in:SECOND", "second", 0.2),
        Step("surface", "stand_in:THIRD", "third", 0.3, gpu_profiles=("full",)),
    ),
    "stand_in:PROFILES",
    ("preview", "standard", "full"),
    "stand_in_estimator:StandInEstimator",
    ("capture", "scale"),
    early_needs=("capture", "scale"),
)


def make_capture(object_dir: Path, name: str = "object") -> Path:
    """An object's folder as onboarding finds it."""
    (object_dir / "capture" / "photos").mkdir(parents=True)
    (object_dir / "capture" / "photos" / "a.jpg").write_bytes(b"not looked at by stand-in stages")
    Capture(name).save(object_dir / "capture" / "capture.json")
    return object_dir

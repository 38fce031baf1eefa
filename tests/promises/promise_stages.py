"""Stages that write down what they do, in the real engine: `SNAP6D_PIPELINE=promise_stages:PIPELINE` with this folder on PYTHONPATH.

Each does steps of STEP_S and keeps a checkpoint every CHECKPOINT_STEPS, as trainings do. By the object's name, the first one takes long
(`long`), or holds 500 MB together with a process of its own (`holds`; `holds-on`: neither heeds a TERM).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ledger import VARIABLE, note

from reconstruction.capture import Capture
from reconstruction.stage import Quality, Stage, StageContext
from reconstruction.workspace import Workspace
from workers.pipeline import Pipeline, Step

STEP_S = 0.1
CHECKPOINT_STEPS = 3
LONG_STEPS = 40
MIB = 1 << 20
HELD_MIB = 500
HOLD = "import signal, sys, time; sys.argv[1] and signal.signal(signal.SIGTERM, signal.SIG_IGN); held = b'x' * (100 << 20); time.sleep(600)"


@dataclass(frozen=True)
class Config:
    steps: int = 10


@dataclass(frozen=True)
class Profile:
    stage: Config = Config()


PROFILES = {"standard": Profile(), "preview": Profile(Config(1))}


def _work(stage: str, config: Config, context: StageContext) -> Quality:
    object_id, checkpoint = context.workspace.root.name, context.scratch / "step"
    name = Capture.load(context.workspace.capture).name
    note(object_id, stage, "start")
    if stage == "sfm" and name.startswith("holds"):
        _hold(context.workspace.root, stubbornly=name == "holds-on")
    steps = LONG_STEPS if stage == "sfm" and name == "long" else config.steps
    for step in range(int(checkpoint.read_text()) if checkpoint.exists() else 0, steps):
        note(object_id, stage, "step", step)
        context.progress(step, steps)
        time.sleep(STEP_S)
        if (step + 1) % CHECKPOINT_STEPS == 0:
            coming = checkpoint.with_suffix(".coming")
            coming.write_text(str(step + 1))
            coming.replace(checkpoint)
    (context.out / "scale.json").write_text('{"source": null, "units": "object", "rel_std": null}')
    return {}


def _hold(folder: Path, stubbornly: bool) -> None:
    if stubbornly:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", HOLD, "stubbornly" if stubbornly else ""])
    held = b"x" * ((HELD_MIB - 100) * MIB)
    (folder / "holders").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600 + len(held) * 0)


def _counted(publish: Any, workspace: Workspace, stage: str, *rest: Any) -> Any:
    result = publish(workspace, stage, *rest)
    note(workspace.root.name, stage, "committed")
    return result


_publish = Workspace.publish
if VARIABLE in os.environ:  # in a stage's process, not in that of the tests, which share it with others
    Workspace.publish = lambda *arguments: _counted(_publish, *arguments)  # type: ignore[method-assign]  # the engine's own commit, counted

NAMES = ("sfm", "scale", "surface")
NEEDS = {"sfm": ("capture",), "scale": ("capture", "sfm"), "surface": ("scale",)}
SFM, SCALE, SURFACE = (Stage(name, 1, NEEDS[name], partial(_work, name)) for name in NAMES)
STEPS = tuple(Step(name, f"promise_stages:{name.upper()}", "stage", 1.0) for name in NAMES)
PIPELINE = Pipeline(STEPS, "promise_stages:PROFILES", tuple(PROFILES), "stand_in_estimator:StandInEstimator")

"""One stage in a process of its own: `python -m workers.stage_process OBJECT_DIR STAGE RECIPE_JSON`.

Standard output carries JSON lines for the supervisor, one of {"progress": ...}, {"result": ...}, {"error": ...}; whatever
libraries print goes to standard error, which the supervisor keeps in a log. The process leads its group and ends, group and
all, when its supervisor is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reconstruction.errors import PipelineError
from reconstruction.stage import StageResult, run_stage
from reconstruction.workspace import Workspace
from workers.failures import error_to_json
from workers.leash import follow_parent, kill_own_group
from workers.pipeline import Recipe, load

PROGRESS_EVERY_S = 0.25


class EventPipe:
    """Writes JSON lines to what was standard output, and sends every later print to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._last = 0.0

    def send(self, **event: Any) -> None:
        self._out.write(json.dumps(event, default=float) + "\n")

    def progress(self, step: int, steps: int, message: str = "") -> None:
        now = time.monotonic()
        if now - self._last >= PROGRESS_EVERY_S or step >= steps:
            self._last = now
            self.send(progress={"step": int(step), "steps": int(steps), "message": message})


@contextmanager
def only_one(object_dir: Path, events: EventPipe) -> Iterator[None]:
    """Two runs never write into one object: the second waits, then finds the stage finished."""
    with (object_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            events.progress(0, 0, "waits: another run is working on this object")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(object_dir: Path, stage_name: str, recipe: Recipe, events: EventPipe) -> StageResult:
    step = next(step for step in load(recipe.pipeline).stages if step.name == stage_name)
    config = recipe.config(step)
    with only_one(object_dir, events):
        return run_stage(load(step.target), config, Workspace(object_dir), events.progress)


def answer(object_dir: Path, stage_name: str, recipe: Recipe) -> int:
    """Runs the stage and sends its result or its error. The exit status says which."""
    events = EventPipe()
    follow_parent(kill_own_group)
    try:
        events.send(result=asdict(run(object_dir, stage_name, recipe, events)))
    except PipelineError as error:
        events.send(error=error_to_json(error))
        return 1
    except Exception as error:
        traceback.print_exc()
        events.send(crash=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    # os._exit: native libraries that crash while being torn down must not spoil a result that is already on disk.
    status = answer(Path(sys.argv[1]), sys.argv[2], Recipe(**json.loads(sys.argv[3])))
    sys.stderr.flush()
    os._exit(status)

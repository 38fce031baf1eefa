"""The supervisor's side of a stage process: start it, listen to it, end it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Protocol

from reconstruction.errors import PipelineError, StorageError
from reconstruction.workspace import Workspace
from workers.failures import Canceled, StageCrashed, StageDefect, error_from_json
from workers.files.space import is_exhausted
from workers.leash import stop_group
from workers.pipeline import Recipe, Step

ASK_EVERY_S = 0.5


class Track(Protocol):
    """Told what happens to the stage; see workers.pipeline.StageEvent for the kinds and their values."""

    def __call__(self, kind: Any, **values: Any) -> None: ...


def run_in_process(object_dir: Path, step: Step, recipe: Recipe, track: Track, should_cancel: Callable[[], bool]) -> None:
    """Runs one stage in a fresh process group and reports it through `track`.

    Raises the stage's own PipelineError, StageDefect, StageCrashed when the process died, Canceled when `should_cancel` said so,
    and whatever `should_cancel` or `track` raise; the process group is gone by then.
    """
    log = _log_path(object_dir, step.name)
    track("started")
    with log.open("ab") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.stage_process", str(object_dir), step.name, json.dumps(asdict(recipe))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            # Spinning threads of one library starve those of the next, and everything else on the machine: 10x slower under load.
            env={"OMP_WAIT_POLICY": "PASSIVE", **os.environ},
            start_new_session=True,
        )
        try:
            outcome = _listen(process, track, should_cancel)
            status = process.wait()
            error = None if "result" in outcome else _failure(outcome, status, step.name, log)
            if error is not None and "error" not in outcome and is_exhausted(object_dir):
                shutil.rmtree(Workspace(object_dir).partial(step.name), ignore_errors=True)  # the rows of the job need room too
                error = StorageError(f"the disk is full ({error.what})", try_next="free some space, then go on: finished stages are kept")
            if error is not None:
                track("failed", error=error)
                raise error
        finally:
            stop_group(process)
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
    result = outcome["result"]
    track("skipped" if result["skipped"] else "succeeded", seconds=result["seconds"], quality=result["quality"])


def _listen(process: subprocess.Popen, track: Track, should_cancel: Callable[[], bool]) -> dict[str, Any]:
    """Forwards progress until the process closes its pipe; gives its last word: a result, an error, a crash, or nothing."""
    assert process.stdout is not None
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True).start()
    outcome: dict[str, Any] = {}
    while True:
        if should_cancel():
            raise Canceled("the onboarding was stopped", try_next="resume it: finished stages are kept")
        try:
            line = lines.get(timeout=ASK_EVERY_S)
        except queue.Empty:
            continue
        if line is None:
            return outcome
        event = json.loads(line)
        if "progress" in event:
            track("progress", **event["progress"])
        else:
            outcome = event


def _read_lines(pipe: IO[bytes], lines: queue.Queue[bytes | None]) -> None:
    try:
        for line in pipe:
            lines.put(line)
    except ValueError:  # closed under our hands by the supervisor, which no longer listens
        pass
    lines.put(None)


def _failure(outcome: dict[str, Any], status: int, stage: str, log: Path) -> PipelineError:
    if "error" in outcome:
        return error_from_json(outcome["error"])
    if "crash" in outcome:
        return StageDefect(f"stage {stage} stopped with {outcome['crash']}", try_next=f"see logs/{log.name} of the object, and report it")
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    if name == "SIGKILL":
        advice = "the machine may have run out of memory: close other programs, or use fewer or smaller photos or --profile preview"
    else:
        advice = f"see logs/{log.name} of the object"
    return StageCrashed(f"stage {stage} died ({name})", try_next=advice)


def _log_path(object_dir: Path, stage: str) -> Path:
    try:
        (object_dir / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{object_dir} is not writable ({error.strerror})", try_next="free some space or name another folder") from error
    return object_dir / "logs" / f"{stage}.log"

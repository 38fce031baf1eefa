"""What a stage is, and the one way to run it: skip it when nothing changed, never leave a half-written folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from reconstruction.errors import StorageError
from reconstruction.live import Live
from reconstruction.workspace import Workspace, folder_digest, json_digest

Quality = dict[str, Any]
_STORAGE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


class Progress(Protocol):
    """Called every second or so by whatever takes longer than two seconds."""

    def __call__(self, step: int, steps: int, message: str = "") -> None: ...


def silent(step: int, steps: int, message: str = "") -> None:
    """A Progress that says nothing."""


def part_of(progress: Progress, first: float, last: float) -> Progress:
    """For a piece of work that takes `progress` from the share `first` to the share `last`."""

    def told(step: int, steps: int, message: str = "") -> None:
        progress(round(10_000 * (first + (last - first) * step / max(1, steps))), 10_000, message)

    return told


@dataclass(frozen=True)
class StageContext:
    """What a stage may touch: it reads artifacts through `workspace`, writes into `out`, keeps checkpoints in `scratch`.

    `scratch` survives a killed attempt with the same inputs and config, and is removed once the stage has succeeded.
    `live` is for people who watch.
    """

    workspace: Workspace
    out: Path
    scratch: Path
    progress: Progress = silent
    live: Live = field(default_factory=Live)


Config = TypeVar("Config")


@dataclass(frozen=True)
class Stage(Generic[Config]):
    """One step of the pipeline. `needs` names the artifact folders it reads; `version` changes when its results would.

    `run` alone touches disk; it returns numbers about the quality of what it wrote (JSON).
    """

    name: str
    version: int
    needs: tuple[str, ...]
    run: Callable[[Config, StageContext], Quality]


@dataclass(frozen=True)
class StageResult:
    name: str
    skipped: bool
    seconds: float
    quality: Quality = field(default_factory=dict)


def fingerprint(stage: Stage[Config], config: Config, workspace: Workspace) -> str:
    """Changes whenever the stage's result could: its version, its config or anything it reads."""
    inputs = {name: workspace.digest(name) for name in stage.needs}
    return json_digest({"stage": stage.name, "version": stage.version, "config": asdict(config), "inputs": inputs})  # type: ignore[call-overload]


def run_stage(stage: Stage[Config], config: Config, workspace: Workspace, progress: Progress = silent) -> StageResult:
    """Runs the stage, or skips it where its manifest records the same fingerprint.

    The output appears under its final name only when it is complete. Raises PipelineError as the stage does, and
    StorageError where the disk is full or not writable.
    """
    wanted = fingerprint(stage, config, workspace)
    manifest = workspace.manifest(stage.name)
    if manifest and manifest["fingerprint"] == wanted:
        return StageResult(stage.name, True, manifest["seconds"], manifest["quality"])
    started = time.monotonic()
    partial = workspace.partial(stage.name)
    try:
        scratch = _scratch(workspace.scratch(stage.name), wanted)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        quality = stage.run(config, StageContext(workspace, partial, scratch, progress, Live(workspace.live(stage.name))))
        seconds = time.monotonic() - started
        record = {
            "stage": stage.name,
            "version": stage.version,
            "fingerprint": wanted,
            "config": asdict(config),  # type: ignore[call-overload]
            "digest": folder_digest(partial),
            "quality": quality,
            "seconds": round(seconds, 2),
        }
        workspace.publish(stage.name, partial, record)
    except OSError as error:
        if error.errno not in _STORAGE_ERRNOS:
            raise
        shutil.rmtree(partial, ignore_errors=True)  # others need the room; what `scratch` holds is worth keeping
        raise StorageError(
            f"stage {stage.name} could not write to {workspace.root} ({error.strerror or error})",
            try_next="free some disk space, then run again with --resume: finished stages are kept",
        ) from error
    shutil.rmtree(scratch, ignore_errors=True)
    return StageResult(stage.name, False, seconds, quality)


def _scratch(folder: Path, wanted: str) -> Path:
    """The scratch folder, emptied unless it belongs to an attempt with the same fingerprint."""
    label = folder / "fingerprint.json"
    if not label.exists() or json.loads(label.read_text()) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        label.write_text(json.dumps(wanted))
        os.sync()
    return folder
